// An NVRTC in software: it hands programs over to g++, and gives back, as machine code or PTX, where the result is.
#include "compile.h"
#include "cuda_nvrtc.h"
#include "handles.h"
#include "soft.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>

// Whichever header they come from, these are the numbers that Java calls with.
static_assert(NVRTC_SUCCESS == 0 && NVRTC_ERROR_OUT_OF_MEMORY == 1 && NVRTC_ERROR_PROGRAM_CREATION_FAILURE == 2);
static_assert(NVRTC_ERROR_INVALID_INPUT == 3 && NVRTC_ERROR_INVALID_PROGRAM == 4 && NVRTC_ERROR_INVALID_OPTION == 5);
static_assert(NVRTC_ERROR_COMPILATION == 6 && NVRTC_ERROR_BUILTIN_OPERATION_FAILURE == 7);
static_assert(NVRTC_ERROR_INTERNAL_ERROR == 11);

#define EXPORT extern "C" __attribute__((visibility("default")))

#define ENTER(function)                             \
  if (int injected = soft::enter(function)) {       \
    return static_cast<nvrtcResult>(injected);      \
  }

namespace {

const int ARCHITECTURES[] = {75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121};

struct Translation {
  soft::Program program;
  std::string log;
  std::string ptx;
  std::string machineCode;
};

soft::Handles<Translation> translations;

// The value of an option under one of its names.
bool value(const std::string& option, std::initializer_list<const char*> names, std::string* to) {
  for (std::string name : names) {
    if (option.rfind(name, 0) == 0) {
      *to = option.substr(name.size());
      return true;
    }
  }
  return false;
}

bool knows(const std::string& architecture) {
  size_t begin = architecture.rfind("sm_", 0) == 0 ? 3 : architecture.rfind("compute_", 0) == 0 ? 8 : std::string::npos;
  if (begin == std::string::npos) {
    return false;
  }
  return std::any_of(std::begin(ARCHITECTURES), std::end(ARCHITECTURES), [&](int known) {
    return architecture.substr(begin) == std::to_string(known);
  });
}

// Takes an option; what is wrong with it goes to the log.
bool take(const std::string& option, Translation& translation, std::string* architecture) {
  std::string text;
  if (value(option, {"--gpu-architecture=", "-arch="}, &text)) {
    *architecture = text;
    if (!knows(text)) {
      translation.log = "nvrtc: error: invalid value for --gpu-architecture (-arch)\n";
      return false;
    }
    return true;
  }
  if (value(option, {"--std=", "-std="}, &text)) {
    if (text == "c++17") {
      return true;
    }
  } else if (value(option, {"--fmad=", "-fmad="}, &text)) {
    if (text == "true" || text == "false") {
      return true;
    }
  } else if (value(option, {"--define-macro=", "-D"}, &text)) {
    translation.program.flags.push_back("-D" + text);
    return true;
  } else if (option == "-lineinfo" || option == "--generate-line-info") {
    return true;
  }
  translation.log = "nvrtc: error: unrecognized option " + option + " found\n";
  return false;
}

nvrtcResult give(nvrtcProgram handle, std::string Translation::*what, size_t* bytes, char* to) {
  auto translation = translations.find(handle);
  if (!translation) {
    soft::report("nvrtc: %p is no program, or was destroyed", static_cast<void*>(handle));
    return NVRTC_ERROR_INVALID_PROGRAM;
  }
  if (!bytes && !to) {
    return NVRTC_ERROR_INVALID_INPUT;
  }
  const std::string& text = translation.get()->*what;
  // With the 0 behind it, but nothing where there is nothing.
  size_t length = text.empty() && what == &Translation::machineCode ? 0 : text.size() + 1;
  if (bytes) {
    *bytes = length;
  } else {
    memcpy(to, text.c_str(), length);
  }
  return NVRTC_SUCCESS;
}

}  // namespace

EXPORT const char* nvrtcGetErrorString(nvrtcResult result) {
  switch (result) {
    case NVRTC_SUCCESS: return "NVRTC_SUCCESS";
    case NVRTC_ERROR_OUT_OF_MEMORY: return "NVRTC_ERROR_OUT_OF_MEMORY";
    case NVRTC_ERROR_PROGRAM_CREATION_FAILURE: return "NVRTC_ERROR_PROGRAM_CREATION_FAILURE";
    case NVRTC_ERROR_INVALID_INPUT: return "NVRTC_ERROR_INVALID_INPUT";
    case NVRTC_ERROR_INVALID_PROGRAM: return "NVRTC_ERROR_INVALID_PROGRAM";
    case NVRTC_ERROR_INVALID_OPTION: return "NVRTC_ERROR_INVALID_OPTION";
    case NVRTC_ERROR_COMPILATION: return "NVRTC_ERROR_COMPILATION";
    case NVRTC_ERROR_BUILTIN_OPERATION_FAILURE: return "NVRTC_ERROR_BUILTIN_OPERATION_FAILURE";
    case NVRTC_ERROR_INTERNAL_ERROR: return "NVRTC_ERROR_INTERNAL_ERROR";
    default: return "NVRTC_ERROR unknown";
  }
}

EXPORT nvrtcResult nvrtcVersion(int* major, int* minor) {
  ENTER("nvrtcVersion");
  if (!major || !minor) {
    return NVRTC_ERROR_INVALID_INPUT;
  }
  *major = 13;
  *minor = 0;
  return NVRTC_SUCCESS;
}

EXPORT nvrtcResult nvrtcGetNumSupportedArchs(int* count) {
  ENTER("nvrtcGetNumSupportedArchs");
  if (!count) {
    return NVRTC_ERROR_INVALID_INPUT;
  }
  *count = static_cast<int>(std::size(ARCHITECTURES));
  return NVRTC_SUCCESS;
}

EXPORT nvrtcResult nvrtcGetSupportedArchs(int* architectures) {
  ENTER("nvrtcGetSupportedArchs");
  if (!architectures) {
    return NVRTC_ERROR_INVALID_INPUT;
  }
  std::copy(std::begin(ARCHITECTURES), std::end(ARCHITECTURES), architectures);
  return NVRTC_SUCCESS;
}

EXPORT nvrtcResult nvrtcCreateProgram(nvrtcProgram* handle, const char* source, const char* name, int headerCount,
                                      const char* const* headers, const char* const* includeNames) {
  ENTER("nvrtcCreateProgram");
  if (!handle || !source || headerCount < 0 || (headerCount > 0 && (!headers || !includeNames))) {
    return NVRTC_ERROR_INVALID_INPUT;
  }
  auto translation = std::make_shared<Translation>();
  translation->program.source = source;
  translation->program.name = name ? name : "default_program";
  for (int i = 0; i < headerCount; i++) {
    if (!headers[i] || !includeNames[i]) {
      return NVRTC_ERROR_INVALID_INPUT;
    }
    translation->program.headers.emplace_back(includeNames[i], headers[i]);
  }
  *handle = static_cast<nvrtcProgram>(translations.add(translation));
  return NVRTC_SUCCESS;
}

EXPORT nvrtcResult nvrtcDestroyProgram(nvrtcProgram* handle) {
  ENTER("nvrtcDestroyProgram");
  if (!handle || !translations.remove(*handle)) {
    return NVRTC_ERROR_INVALID_PROGRAM;
  }
  *handle = nullptr;
  return NVRTC_SUCCESS;
}

EXPORT nvrtcResult nvrtcCompileProgram(nvrtcProgram handle, int count, const char* const* options) {
  ENTER("nvrtcCompileProgram");
  auto translation = translations.find(handle);
  if (!translation) {
    return NVRTC_ERROR_INVALID_PROGRAM;
  }
  if (count < 0 || (count > 0 && !options)) {
    return NVRTC_ERROR_INVALID_INPUT;
  }
  std::string architecture = "compute_75";
  translation->program.flags.clear();
  translation->ptx.clear();
  translation->machineCode.clear();
  for (int i = 0; i < count; i++) {
    if (!options[i] || !take(options[i], *translation, &architecture)) {
      return NVRTC_ERROR_INVALID_OPTION;
    }
  }
  // As NVIDIA's, which opens it by name when it compiles for the first time.
  if (!dlopen("libnvrtc-builtins.so.13.0", RTLD_NOW | RTLD_LOCAL)) {
    translation->log = "nvrtc: error: failed to open libnvrtc-builtins.so.13.0.\n";
    return NVRTC_ERROR_BUILTIN_OPERATION_FAILURE;
  }
  size_t digits = architecture.find('_') + 1;
  translation->program.flags.push_back("-D__CUDA_ARCH__=" + architecture.substr(digits) + "0");
  translation->program.flags.push_back("-D__CUDACC_RTC__");
  std::string folder = soft::store(translation->program);
  if (folder.empty()) {
    return NVRTC_ERROR_INTERNAL_ERROR;
  }
  if (soft::compile(folder, &translation->log).empty()) {
    return NVRTC_ERROR_COMPILATION;
  }
  translation->ptx = "software kernels\ncompute_" + architecture.substr(digits) + "\n" + folder + "\n";
  if (architecture.rfind("sm_", 0) == 0) {
    translation->machineCode = "software kernels\n" + architecture + "\n" + folder + "\n";
  }
  return NVRTC_SUCCESS;
}

EXPORT nvrtcResult nvrtcGetPTXSize(nvrtcProgram handle, size_t* bytes) {
  ENTER("nvrtcGetPTXSize");
  return give(handle, &Translation::ptx, bytes, nullptr);
}

EXPORT nvrtcResult nvrtcGetPTX(nvrtcProgram handle, char* to) {
  ENTER("nvrtcGetPTX");
  return give(handle, &Translation::ptx, nullptr, to);
}

EXPORT nvrtcResult nvrtcGetCUBINSize(nvrtcProgram handle, size_t* bytes) {
  ENTER("nvrtcGetCUBINSize");
  return give(handle, &Translation::machineCode, bytes, nullptr);
}

EXPORT nvrtcResult nvrtcGetCUBIN(nvrtcProgram handle, char* to) {
  ENTER("nvrtcGetCUBIN");
  return give(handle, &Translation::machineCode, nullptr, to);
}

EXPORT nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram handle, size_t* bytes) {
  ENTER("nvrtcGetProgramLogSize");
  return give(handle, &Translation::log, bytes, nullptr);
}

EXPORT nvrtcResult nvrtcGetProgramLog(nvrtcProgram handle, char* to) {
  ENTER("nvrtcGetProgramLog");
  return give(handle, &Translation::log, nullptr, to);
}
