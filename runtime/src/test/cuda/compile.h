// The compiler of kernels: NVRTC hands programs over to it, and the driver the ones that it loads.
#pragma once

#include <string>
#include <utility>
#include <vector>

#pragma GCC visibility push(default)
namespace soft {

struct Program {
  std::string name;
  std::string source;
  std::vector<std::pair<std::string, std::string>> headers;  // names and texts
  std::vector<std::string> flags;                            // of g++
};

// Writes a program into a folder of its own, and returns that, or an empty text after a report.
std::string store(const Program& program);

// Compiles a stored program, with a check of every access in the strict mode, unless that was done before. Returns the
// library, or an empty text, then the log says why.
std::string compile(const std::string& folder, std::string* log);

}  // namespace soft
#pragma GCC visibility pop
