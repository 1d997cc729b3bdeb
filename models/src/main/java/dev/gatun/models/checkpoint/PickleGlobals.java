package dev.gatun.models.checkpoint;

import dev.gatun.models.checkpoint.PickleValue.Function;
import dev.gatun.models.checkpoint.PickleValue.Opaque;
import dev.gatun.models.checkpoint.PickleValue.StorageClass;
import dev.gatun.runtime.DType;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The allowlist: the only names that a pickle may mention. All others are refused, not skipped. */
final class PickleGlobals {
  private record Name(String module, String name) {}

  private static final Map<Name, PickleValue> ALLOWED = new HashMap<>();

  static {
    allow("collections", "OrderedDict", Function.ORDERED_DICT);
    allow("argparse", "Namespace", Function.NAMESPACE);
    allow("torch._utils", "_rebuild_tensor", Function.REBUILD_TENSOR);
    allow("torch._utils", "_rebuild_tensor_v2", Function.REBUILD_TENSOR_V2);
    allow("torch._utils", "_rebuild_parameter", Function.REBUILD_PARAMETER);
    allow("torch", "Size", Function.SIZE);
    allow("torch", "device", Function.DEVICE);
    allow("torch", "DoubleStorage", new StorageClass(DType.F64));
    allow("torch", "FloatStorage", new StorageClass(DType.F32));
    allow("torch", "HalfStorage", new StorageClass(DType.F16));
    allow("torch", "BFloat16Storage", new StorageClass(DType.BF16));
    allow("torch", "LongStorage", new StorageClass(DType.I64));
    allow("torch", "IntStorage", new StorageClass(DType.I32));
    allow("torch", "ShortStorage", new StorageClass(DType.I16));
    allow("torch", "CharStorage", new StorageClass(DType.I8));
    allow("torch", "ByteStorage", new StorageClass(DType.U8));
    allow("torch", "BoolStorage", new StorageClass(DType.BOOL));
    // Of the callbacks of PyTorch Lightning, in the files of Stable Diffusion beside the weights: a
    // class as a key, and the best loss as a scalar of NumPy. Nothing is made of them.
    allow(
        "pytorch_lightning.callbacks.model_checkpoint",
        "ModelCheckpoint",
        new Opaque("ModelCheckpoint"));
    allow("numpy.core.multiarray", "scalar", Function.INERT);
    allow("numpy._core.multiarray", "scalar", Function.INERT);
    allow("numpy", "dtype", Function.INERT);
    allow("_codecs", "encode", Function.INERT);
    // As values in the arguments of a training script.
    for (var dtype :
        List.of(
            "float64",
            "float32",
            "float16",
            "bfloat16",
            "int64",
            "int32",
            "int16",
            "int8",
            "uint8",
            "bool")) {
      allow("torch", dtype, new Opaque("torch." + dtype));
    }
  }

  private PickleGlobals() {}

  private static void allow(String module, String name, PickleValue value) {
    ALLOWED.put(new Name(module, name), value);
  }

  /** What a name stands for, or null if it is not on the list. */
  static PickleValue find(String module, String name) {
    return ALLOWED.get(new Name(module, name));
  }
}
