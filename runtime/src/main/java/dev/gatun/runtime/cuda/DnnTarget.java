package dev.gatun.runtime.cuda;

import dev.gatun.bindings.cudnn.Cudnn;

/** What cuDNN plans a graph for. */
sealed interface DnnTarget {
  /**
   * The device of an open library.
   *
   * @param library open
   */
  record Open(Dnn library) implements DnnTarget {}

  /**
   * A GPU that is only described, so that plans can be made without one.
   *
   * <p>Source: NVIDIA, "cuDNN Graph API", deviceless ahead-of-time compilation.
   *
   * @param properties a finished {@code CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR}
   */
  record Described(Descriptor properties) implements DnnTarget {
    /** From a description in JSON. */
    static Described of(String json) {
      var properties = new Descriptor(Cudnn.CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR());
      properties.text(Cudnn.CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION(), json);
      return new Described(properties.finish("a GPU's description"));
    }
  }
}
