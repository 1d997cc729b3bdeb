// The software NVRTC's built-in functions: none. But the library must be there, as with NVIDIA's.
extern "C" __attribute__((visibility("default"))) int soft_builtins() { return 0; }
