/**
 * Tensors, the operator contract with its backends, and random numbers.
 *
 * <p>The Vector API is optional at run time: without {@code --add-modules jdk.incubator.vector} the
 * scalar reference backend computes, slowly, and one log line says so.
 */
module dev.gatun.runtime {
  requires dev.gatun.bindings;
  requires jdk.jfr;
  requires static jdk.incubator.vector;

  exports dev.gatun.runtime;
  exports dev.gatun.runtime.random;

  uses dev.gatun.runtime.BackendProvider;

  // for the class path the same stands in META-INF/services
  provides dev.gatun.runtime.BackendProvider with
      dev.gatun.runtime.reference.ReferenceProvider,
      dev.gatun.runtime.cpu.CpuProvider,
      dev.gatun.runtime.cuda.CudaProvider;
}
