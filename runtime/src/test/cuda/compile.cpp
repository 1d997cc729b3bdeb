// The compiler of kernels: g++. First it preprocesses a program, with device.h before it; then what g++ does not know
// of CUDA is rewritten, and a table of all kernels comes behind; that becomes a library, which the driver opens.
#include "compile.h"

#include "state.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

#ifndef SOFT_SOURCE
#define SOFT_SOURCE "."
#endif

extern char** environ;

namespace soft {
namespace {

const char* const HEADERS[] = {"device.h", "module.h"};

uint64_t hash(const std::string& text, uint64_t from = 14695981039346656037u) {
  for (unsigned char byte : text) {
    from = (from ^ byte) * 1099511628211u;
  }
  return (from ^ text.size()) * 1099511628211u;
}

std::string hex(uint64_t number) {
  char text[17];
  snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
  return text;
}

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

bool exists(const std::string& path) { return access(path.c_str(), R_OK) == 0; }

// A name that no other process or thread uses.
std::string unique(const std::string& path) {
  static std::atomic<int> count{0};
  return path + "." + std::to_string(getpid()) + "." + std::to_string(count++);
}

void makeFolders(const std::string& path) {
  for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
    mkdir(path.substr(0, at).c_str(), 0777);
  }
  mkdir(path.c_str(), 0777);
}

bool write(const std::string& path, const std::string& content) {
  makeFolders(path.substr(0, path.rfind('/')));
  std::string made = unique(path);
  {
    std::ofstream file(made, std::ios::binary);
    file << content;
    file.flush();
    if (!file) {
      return false;
    }
  }
  return rename(made.c_str(), path.c_str()) == 0;
}

// The folder that this library lies in.
std::string home() {
  Dl_info info;
  dladdr(reinterpret_cast<void*>(&home), &info);
  char real[4096];
  std::string path = realpath(info.dli_fname, real) ? real : info.dli_fname;
  return path.substr(0, path.rfind('/'));
}

// Runs a program; what it says goes to a file.
bool run(const std::vector<std::string>& command, const std::string& said) {
  std::vector<char*> arguments;
  for (auto& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, said.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t process;
  int status = posix_spawnp(&process, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (status != 0) {
    std::ofstream(said) << arguments[0] << ": " << strerror(status) << "\n";
    return false;
  }
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool isName(char c) { return isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// Where a word stands from a place on.
size_t findWord(const std::string& text, const std::string& word, size_t from) {
  for (size_t at = text.find(word, from); at != std::string::npos; at = text.find(word, at + 1)) {
    if ((at == 0 || !isName(text[at - 1])) && !isName(text[at + word.size()])) {
      return at;
    }
  }
  return std::string::npos;
}

// Behind the parenthesis that closes one.
size_t close(const std::string& text, size_t open) {
  int depth = 0;
  for (size_t at = open; at < text.size(); at++) {
    depth += text[at] == '(' ? 1 : text[at] == ')' ? -1 : 0;
    if (depth == 0) {
      return at + 1;
    }
  }
  return text.size();
}

// The first of the arguments in parentheses.
std::string firstArgument(const std::string& text, size_t open, size_t end) {
  int depth = 0;
  size_t at = open + 1;
  for (; at < end - 1 && (depth > 0 || text[at] != ','); at++) {
    depth += text[at] == '(' ? 1 : text[at] == ')' ? -1 : 0;
  }
  return text.substr(open + 1, at - open - 1);
}

// Takes __launch_bounds__ away, and returns the table's entries of all kernels.
std::string takeKernels(std::string& text) {
  const std::string kernel = "__global__", bounds = "__launch_bounds__";
  std::string entries;
  std::set<std::string> names;
  for (size_t at = findWord(text, kernel, 0); at != std::string::npos; at = findWord(text, kernel, at + 1)) {
    std::string threads = "1024";
    size_t open = text.find('(', at);
    size_t limit = findWord(text, bounds, at);
    if (limit != std::string::npos && limit < open) {
      size_t end = close(text, open);
      threads = firstArgument(text, open, end);
      text.replace(limit, end - limit, " ");
      open = text.find('(', at);
    }
    if (open == std::string::npos) {
      break;
    }
    size_t end = open;
    while (end > at && isspace(static_cast<unsigned char>(text[end - 1]))) {
      end--;
    }
    size_t begin = end;
    while (begin > at && isName(text[begin - 1])) {
      begin--;
    }
    std::string name = text.substr(begin, end - begin);
    if (names.insert(name).second) {
      entries += "  soft_kernel<&" + name + ">::entry(\"" + name + "\", " + threads + "),\n";
    }
  }
  return entries;
}

// Lets arrays that are declared as extern __shared__ lie where the dynamic shared memory is, and others be static.
void placeShared(std::string& text) {
  const std::string shared = "__shared__";
  for (size_t at = findWord(text, shared, 0); at != std::string::npos; at = findWord(text, shared, at)) {
    size_t end = at;
    while (end > 0 && isspace(static_cast<unsigned char>(text[end - 1]))) {
      end--;
    }
    bool isExtern = end >= 6 && text.compare(end - 6, 6, "extern") == 0;
    bool isStatic = end >= 6 && text.compare(end - 6, 6, "static") == 0;
    text.replace(at, shared.size(), isExtern || isStatic ? " " : "static");
    size_t brackets = text.find(']', at);
    if (isExtern && brackets != std::string::npos) {
      text.insert(brackets + 1, " __asm__(\"soft_dynamic\")");
    }
  }
}

std::string transform(std::string text) {
  placeShared(text);
  std::string entries = takeKernels(text);
  // A kernel that is inlined into what calls it would lose its checks.
  const std::string kernel = "__global__";
  for (size_t at = findWord(text, kernel, 0); at != std::string::npos; at = findWord(text, kernel, at)) {
    text.replace(at, kernel.size(), "__attribute__((noinline))");
  }
  std::ostringstream table;
  table << text << "\n# 1 \"kernels\"\n"
        << "static constexpr soft::KernelEntry soft_kernels[] = {\n" << entries << "  {}};\n"
        << "extern \"C\" __attribute__((used, visibility(\"default\"), section(\".data\")))\n"
        << "soft::ModuleEntry soft_module = {\n"
        << "  &soft_state, soft_kernels, sizeof soft_kernels / sizeof *soft_kernels - 1,\n"
        << "  __bss_start, _end, soft_dynamic,\n"
        << "#ifdef SOFT_CHECKED\n  true\n#else\n  false\n#endif\n};\n";
  return table.str();
}

}  // namespace

std::string store(const Program& program) {
  uint64_t key = hash(program.source, hash(program.name));
  for (auto& header : program.headers) {
    key = hash(header.second, hash(header.first, key));
  }
  std::string flags;
  for (auto& flag : program.flags) {
    flags += flag + "\n";
  }
  key = hash(flags, key);
  std::string folder = home() + "/kernels/" + hex(key);
  // Last comes what says that the folder is complete.
  if (!exists(folder + "/flags")) {
    bool stored = write(folder + "/program.cu", "# 1 \"" + program.name + "\"\n" + program.source + "\n");
    for (auto& header : program.headers) {
      stored = stored && write(folder + "/include/" + header.first, header.second);
    }
    if (!stored || !write(folder + "/flags", flags)) {
      report("%s cannot be written", folder.c_str());
      return "";
    }
  }
  return folder;
}

std::string compile(const std::string& folder, std::string* log) {
  bool strict;
  {
    Lock lock(mutex);
    strict = modes.strict;
  }
  uint64_t key = hash(strict ? "strict" : "fast");
  const std::string sources = std::string(SOFT_SOURCE) + "/";
  for (auto header : HEADERS) {
    key = hash(read(sources + header), key);
  }
  const std::string base = folder + "/" + hex(key) + (strict ? ".strict" : ".fast"), library = base + ".so";
  log->clear();
  if (exists(library)) {
    return library;
  }
  if (!exists(folder + "/flags")) {
    *log = folder + " is no stored program\n";
    return "";
  }
  std::vector<std::string> common = {"g++", "-std=c++17", "-w", "-nostdinc", "-nostdinc++"};
  if (strict) {
    common.push_back("-DSOFT_CHECKED");
  }
  std::istringstream flags(read(folder + "/flags"));
  for (std::string flag; std::getline(flags, flag);) {
    common.push_back(flag);
  }
  const std::string made = unique(base), said = made + ".log";
  std::vector<std::string> first = common, second = common;
  first.insert(first.end(), {"-E", "-include", sources + "device.h", "-I" + folder + "/include", "-x", "c++", "-o",
                             made + ".ii", folder + "/program.cu"});
  second.insert(second.end(), {"-O2", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fno-strict-aliasing",
                               "-fno-exceptions", "-fno-rtti", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique",
                               // It loads what lies beside a value that is needed.
                               "-fno-hoist-adjacent-loads"});
  if (strict) {
    second.insert(second.end(), {"-fsanitize=kernel-address", "--param=asan-instrumentation-with-call-threshold=0",
                                 "--param=asan-stack=0", "--param=asan-globals=0"});
  }
  second.insert(second.end(), {"-shared", "-nostartfiles", "-x", "c++", "-o", made + ".so", made + ".cpp", "-x", "none",
                               "-lm"});
  bool good = run(first, said) && write(made + ".cpp", transform(read(made + ".ii"))) && run(second, said) &&
              rename((made + ".so").c_str(), library.c_str()) == 0;
  *log = read(said);
  if (good) {
    rename((made + ".cpp").c_str(), (base + ".cpp").c_str());
  } else if (log->empty()) {
    *log = "error: " + made + " cannot be written\n";
  }
  for (auto suffix : {".ii", ".cpp", ".log", ".so"}) {
    unlink((made + suffix).c_str());
  }
  return good ? library : "";
}

}  // namespace soft
