// The software driver's modules, functions and launches. The image of a module is a short text that says where the
// compiler has stored the kernels.
#include "compile.h"
#include "fibers.h"
#include "state.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace soft;

static_assert(CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK == 0 && CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES == 1);
static_assert(CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES == 2 && CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES == 3);
static_assert(CU_FUNC_ATTRIBUTE_NUM_REGS == 4 && CU_FUNC_ATTRIBUTE_PTX_VERSION == 5);
static_assert(CU_FUNC_ATTRIBUTE_BINARY_VERSION == 6 && CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES == 8);

namespace {

const int SHARED_AT_FIRST = 48 << 10;

struct Module {
  std::shared_ptr<Context> context;
  void* library;
  const ModuleEntry* entry;
  const char *image, *imageEnd;
  std::vector<CUfunction> functions;
  bool loaded = true;
};

struct Function {
  std::shared_ptr<Module> module;
  const KernelEntry* entry;
  int dynamicMost = SHARED_AT_FIRST;
};

Handles<Module> modules;
Handles<Function> functions;

// Finds where the file that holds an address lies in memory.
void findImage(Module& module) {
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto& module = *static_cast<Module*>(data);
        uintptr_t at = reinterpret_cast<uintptr_t>(module.entry), from = UINTPTR_MAX, to = 0;
        for (int i = 0; i < info->dlpi_phnum; i++) {
          auto& header = info->dlpi_phdr[i];
          if (header.p_type == PT_LOAD) {
            from = std::min<uintptr_t>(from, info->dlpi_addr + header.p_vaddr);
            to = std::max<uintptr_t>(to, info->dlpi_addr + header.p_vaddr + header.p_memsz);
          }
        }
        if (at < from || at >= to) {
          return 0;
        }
        module.image = reinterpret_cast<const char*>(from);
        module.imageEnd = reinterpret_cast<const char*>(to);
        return 1;
      },
      &module);
}

// The next line of a text, which goes on behind it; empty if there is none.
std::string line(const char*& text) {
  const size_t most = 4096;
  size_t length = strnlen(text, most);
  auto end = static_cast<const char*>(memchr(text, '\n', length));
  if (!end) {
    return "";
  }
  std::string found(text, end);
  text = end + 1;
  return found;
}

// Whether the device runs code for an architecture: machine code of its own generation, PTX of every older one.
bool runs(const std::string& architecture) {
  bool machineCode = architecture.rfind("sm_", 0) == 0;
  int number = atoi(architecture.c_str() + architecture.find('_') + 1);
  return number <= modes.capability && (!machineCode || number / 10 == modes.capability / 10);
}

std::shared_ptr<Function> findFunction(CUfunction handle, const char* function) {
  auto found = functions.find(handle);
  if (!found) {
    report("%s: %p is no function, or its module was unloaded", function, static_cast<void*>(handle));
  }
  return found;
}

void unload(Module& module) {
  for (auto function : module.functions) {
    functions.remove(function);
  }
  module.loaded = false;
  dlclose(module.library);
}

// Takes the parameters out of what a launch is called with.
CUresult pack(const Function& function, void** parameters, void** extra, std::vector<char>* packed) {
  const KernelEntry& kernel = *function.entry;
  if (parameters) {
    if (extra) {
      return refuse(CUDA_ERROR_INVALID_VALUE, "kernel %s: its parameters are given in both ways", kernel.name);
    }
    packed->resize(kernel.bytes);
    for (unsigned i = 0; i < kernel.count; i++) {
      memcpy(packed->data() + kernel.parameters[i].offset, parameters[i], kernel.parameters[i].bytes);
    }
    return CUDA_SUCCESS;
  }
  const void* buffer = nullptr;
  const size_t* bytes = nullptr;
  for (; extra && *extra != CU_LAUNCH_PARAM_END; extra += 2) {
    if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER) {
      buffer = extra[1];
    } else if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE) {
      bytes = static_cast<size_t*>(extra[1]);
    } else {
      return refuse(CUDA_ERROR_INVALID_VALUE, "kernel %s: %p is no launch parameter", kernel.name, *extra);
    }
  }
  size_t given = bytes ? *bytes : 0;
  if (given != kernel.bytes || (given > 0 && !buffer)) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "kernel %s: its parameters are %u bytes, but %zu were given", kernel.name,
                  kernel.bytes, given);
  }
  packed->assign(static_cast<const char*>(buffer), static_cast<const char*>(buffer) + given);
  return CUDA_SUCCESS;
}

}  // namespace

namespace soft {

long long liveModules() { return modules.count(); }

void clearModules() {
  for (auto& module : modules.all()) {
    unload(*module);
  }
  modules.clear();
  functions.clear();
}

}  // namespace soft

EXPORT CUresult cuModuleLoadData(CUmodule* handle, const void* image) {
  BEGIN(Needs::CONTEXT);
  REQUIRE(handle && image);
  auto text = static_cast<const char*>(image);
  if (line(text) != "software kernels") {
    return refuse(CUDA_ERROR_INVALID_IMAGE, "%s: this is nothing that the software NVRTC has made", __func__);
  }
  std::string architecture = line(text);
  if (!runs(architecture)) {
    return refuse(CUDA_ERROR_NO_BINARY_FOR_GPU, "%s: code for %s, but the device has compute capability %d.%d",
                  __func__, architecture.c_str(), modes.capability / 10, modes.capability % 10);
  }
  std::string log;
  std::string library = compile(line(text), &log);
  if (library.empty()) {
    return refuse(CUDA_ERROR_INVALID_IMAGE, "%s: %s", __func__, log.c_str());
  }
  auto module = std::make_shared<Module>();
  module->context = current();
  module->library = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  module->entry = module->library ? static_cast<ModuleEntry*>(dlsym(module->library, "soft_module")) : nullptr;
  if (!module->entry) {
    return refuse(CUDA_ERROR_INVALID_IMAGE, "%s: %s", __func__, dlerror());
  }
  findImage(*module);
  *handle = static_cast<CUmodule>(modules.add(module));
  return CUDA_SUCCESS;
}

EXPORT CUresult cuModuleUnload(CUmodule handle) {
  BEGIN(Needs::CONTEXT);
  auto module = modules.find(handle);
  if (!module) {
    return refuse(CUDA_ERROR_INVALID_HANDLE, "%s: %p is no module, or was unloaded", __func__,
                  static_cast<void*>(handle));
  }
  unload(*module);
  modules.remove(handle);
  return CUDA_SUCCESS;
}

EXPORT CUresult cuModuleGetFunction(CUfunction* handle, CUmodule moduleHandle, const char* name) {
  BEGIN(Needs::CONTEXT);
  REQUIRE(handle && name);
  auto module = modules.find(moduleHandle);
  if (!module) {
    return refuse(CUDA_ERROR_INVALID_HANDLE, "%s: %p is no module, or was unloaded", __func__,
                  static_cast<void*>(moduleHandle));
  }
  for (unsigned i = 0; i < module->entry->count; i++) {
    if (strcmp(module->entry->kernels[i].name, name) == 0) {
      auto function = std::make_shared<Function>();
      function->module = module;
      function->entry = &module->entry->kernels[i];
      *handle = static_cast<CUfunction>(functions.add(function));
      module->functions.push_back(*handle);
      return CUDA_SUCCESS;
    }
  }
  return refuse(CUDA_ERROR_NOT_FOUND, "%s: the module has no kernel %s", __func__, name);
}

EXPORT CUresult cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction handle) {
  BEGIN(Needs::CONTEXT);
  REQUIRE(value);
  auto function = findFunction(handle, __func__);
  if (!function) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  const ModuleEntry& entry = *function->module->entry;
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = function->entry->threads; return CUDA_SUCCESS;
    // Of all kernels of the module: which of them uses which variable is not known.
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
      *value = static_cast<int>(entry.sharedEnd - entry.shared - DYNAMIC_MOST);
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES: *value = 0; return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = 32; return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *value = modes.capability; return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = function->dynamicMost; return CUDA_SUCCESS;
    default: return refuse(CUDA_ERROR_INVALID_VALUE, "%s: attribute %d", __func__, attribute);
  }
}

EXPORT CUresult cuFuncSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value) {
  BEGIN(Needs::CONTEXT);
  auto function = findFunction(handle, __func__);
  if (!function) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  REQUIRE(attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
  REQUIRE(value >= 0 && value <= static_cast<int>(DYNAMIC_MOST));
  function->dynamicMost = value;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuLaunchKernel(CUfunction handle, unsigned int gridX, unsigned int gridY, unsigned int gridZ,
                               unsigned int blockX, unsigned int blockY, unsigned int blockZ, unsigned int sharedBytes,
                               CUstream stream, void** parameters, void** extra) {
  BEGIN(Needs::CONTEXT);
  auto function = findFunction(handle, __func__);
  if (!function) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  const KernelEntry& kernel = *function->entry;
  uint64_t threads = uint64_t(blockX) * blockY * blockZ;
  if (threads == 0 || threads > kernel.threads || blockX > 1024 || blockY > 1024 || blockZ > 64) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "kernel %s: a block of %u x %u x %u threads, it takes at most %u",
                  kernel.name, blockX, blockY, blockZ, kernel.threads);
  }
  if (gridX == 0 || gridY == 0 || gridZ == 0 || gridX > 0x7fffffffu || gridY > 65535 || gridZ > 65535) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "kernel %s: a grid of %u x %u x %u blocks", kernel.name, gridX, gridY,
                  gridZ);
  }
  if (sharedBytes > static_cast<unsigned>(function->dynamicMost)) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "kernel %s: %u bytes of dynamic shared memory, but its limit is %d",
                  kernel.name, sharedBytes, function->dynamicMost);
  }
  if (function->module->context != current()) {
    return refuse(CUDA_ERROR_INVALID_HANDLE, "kernel %s: it was loaded into another context", kernel.name);
  }
  // Copied now, also where the launch is recorded: the caller may change them.
  std::vector<char> packed;
  if (CUresult status = pack(*function, parameters, extra, &packed)) {
    return status;
  }
  // Wherever the vector lies, the parameters are aligned as new memory is.
  auto work = [=]() -> CUresult {
    const Module& module = *function->module;
    if (!module.loaded) {
      return refuse(CUDA_ERROR_INVALID_HANDLE, "a kernel runs whose module was unloaded");
    }
    return run({function->entry->name, module.entry, function->entry, packed.data(), {gridX, gridY, gridZ},
                {blockX, blockY, blockZ}, sharedBytes, module.image, module.imageEnd});
  };
  return enqueue(stream, work, "cuLaunchKernel");
}
