package dev.gatun.models.adm;

import dev.gatun.models.diffusion.Gradient;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.RecordingBackend;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * Where noisy pictures are to go so that a classifier sees their classes in them: {@code g = s·∂/∂x
 * Σ_n log softmax(logits(x_n, t))[y_n]}, as {@code cond_fn} of the authors' {@code
 * classifier_sample.py}. The samples of a batch do not depend on each other, so the gradient of the
 * sum is that of each.
 *
 * <p>A gradient after the first allocates nothing.
 */
public final class ClassifierGradient implements Gradient, AutoCloseable {
  private final AdmClassifier classifier;
  private final Backend backend;
  private final RecordingBackend recorder;
  private final int[] classes;
  private final double scale;
  private final Weights own;
  private final Workspace workspace;
  private final Tensor pictures; // (N, H, W, C)
  private final Tensor times; // (N)
  private final Tensor logits; // (N, classes)
  private final Tensor slopes; // (N, classes), of the scaled sum with respect to the logits
  private final Tensor slopesOnHost;

  /**
   * Prepares the gradients of a batch.
   *
   * @param classifier it stays its owner's affair
   * @param labels I64 {@code [N]}, the class that each picture is to show; not referred to
   *     afterwards
   * @param scale s; the authors' are 0.5 to 10
   * @throws IllegalArgumentException if a label is no class
   */
  public ClassifierGradient(AdmClassifier classifier, Tensor labels, double scale) {
    this.classifier = classifier;
    this.scale = scale;
    backend = classifier.backend();
    recorder = classifier.recorder();
    classes = classes(labels, classifier.config().numClasses(), backend);
    int n = classes.length;
    int k = classifier.config().numClasses();
    int side = classifier.config().imageSize();
    own = new Weights(recorder, null);
    workspace = own.own(recorder.workspace());
    pictures = allocate(n, side, side, classifier.config().inChannels());
    times = allocate(n);
    logits = allocate(n, k);
    slopes = allocate(n, k);
    slopesOnHost = own.own(Tensor.allocate(DType.F32, Shape.of(n, k)));
  }

  private Tensor allocate(int... dims) {
    return own.own(recorder.allocate(DType.F32, Shape.of(dims)));
  }

  private static int[] classes(Tensor labels, int count, Backend backend) {
    if (labels.dtype() != DType.I64 || labels.shape().rank() != 1) {
      throw new IllegalArgumentException("the labels are " + labels + ", expected I64 [N]");
    }
    try (var host = Tensor.allocate(DType.I64, labels.shape())) {
      backend.copy(labels, host);
      int[] classes = new int[host.dim(0)];
      for (int i = 0; i < classes.length; i++) {
        long label = host.getLong(i);
        if (label < 0 || label >= count) {
          throw new IllegalArgumentException(
              "label " + label + " is no class, expected 0 to " + (count - 1));
        }
        classes[i] = (int) label;
      }
      return classes;
    }
  }

  /**
   * {@inheritDoc}
   *
   * @param x {@code [N, H, W, C]}, as many as there are labels
   * @param t their original timestep
   */
  @Override
  public void at(Tensor x, double t, Tensor out) {
    backend.fill(times, t);
    at(x, times, out);
  }

  /** {@link #at(Tensor, double, Tensor)} with a time for each picture, {@code [N]}. */
  void at(Tensor x, Tensor t, Tensor out) {
    if (!x.shape().equals(pictures.shape())) {
      throw new IllegalArgumentException(
          "x is " + x.shape() + ", with these labels it is to be " + pictures.shape());
    }
    // a copy, since a sampler's pictures lie now here and now there
    backend.copy(x, pictures);
    try {
      recorder.watch(pictures);
      classifier.forward(pictures, t, workspace, logits); // (N, classes)
      differentiate();
      recorder.backward(logits, slopes);
      recorder.gradient(pictures, out); // (N, H, W, C)
    } finally {
      recorder.clear();
    }
  }

  /** {@code slopes = s·(onehot(y) − softmax(logits))}. */
  private void differentiate() {
    backend.copy(logits, slopesOnHost);
    int k = slopesOnHost.dim(1);
    for (int n = 0; n < classes.length; n++) {
      long row = (long) n * k;
      double largest = Double.NEGATIVE_INFINITY;
      for (int i = 0; i < k; i++) {
        largest = Math.max(largest, slopesOnHost.getFloat(row + i));
      }
      double sum = 0;
      for (int i = 0; i < k; i++) {
        sum += Math.exp(slopesOnHost.getFloat(row + i) - largest);
      }
      for (int i = 0; i < k; i++) {
        double probability = Math.exp(slopesOnHost.getFloat(row + i) - largest) / sum;
        double slope = scale * ((i == classes[n] ? 1 : 0) - probability);
        slopesOnHost.setFloat(row + i, (float) slope);
      }
    }
    backend.copy(slopesOnHost, slopes);
  }

  /** {@code [N, classes]}, of the last gradient; overwritten by the next. */
  Tensor logits() {
    return logits;
  }

  /** Frees what the gradients need; the classifier stays. */
  @Override
  public void close() {
    own.close();
  }
}
