package dev.gatun.runtime;

import java.util.Objects;

/**
 * What {@link Backend#linear} and {@link Backend#conv2d} do to a product before they store it:
 * {@code activation(x·Wᵀ + bias)}. A layer makes its epilogue once; what changes from call to call
 * (gate and residual) are arguments of the operator.
 *
 * @param bias F32 {@code [out]}, or null for none
 * @param activation applied after the bias
 */
public record Epilogue(Tensor bias, Activation activation) {
  /** Nothing: the bare product. */
  public static final Epilogue NONE = new Epilogue(null, Activation.IDENTITY);

  public Epilogue {
    Objects.requireNonNull(activation, "activation");
  }

  /** Adds a bias only. */
  public static Epilogue bias(Tensor bias) {
    return new Epilogue(bias, Activation.IDENTITY);
  }
}
