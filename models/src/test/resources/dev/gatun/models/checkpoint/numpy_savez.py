"""Writes savez.npz and savez_compressed.npz with NumPy (2.4.6). Run it in this directory."""

import numpy as np

pictures = (np.arange(2 * 4 * 5 * 3) * 7 % 256).astype(np.uint8).reshape(2, 4, 5, 3)
labels = np.array([207, 999])
np.savez("savez.npz", pictures, labels)
np.savez_compressed("savez_compressed.npz", pictures, labels)
