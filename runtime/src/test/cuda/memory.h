// The device's memory: one stretch of addresses, of which every allocation takes a new piece, with a guard page on both
// sides. Beside it lies a shadow, a byte for each byte, which says whether that is allocated and whether it was
// written.
#pragma once

#include "module.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace soft {

extern char* memory;           // ARENA_BYTES of addresses, or null before they were reserved
extern unsigned char* shadow;  // as many

// Reserves the addresses, unless that was done; whether there are any.
bool reserve();

const size_t PAGE = 4096;
size_t toPages(size_t bytes);

// Makes pages as they were before anything was allocated. They are mapped anew, since only then the kernel counts them
// and the ones beside them as one mapping, of which a process has 65530.
void empty(char* at, size_t bytes, int protection);

// Whether a range lies in a live allocation, whatever was written.
bool within(uintptr_t at, size_t bytes);

// Where a range lies, in words.
std::string place(uintptr_t at, size_t bytes);

// Why an access is wrong, or an empty text.
std::string wrong(uintptr_t at, size_t bytes, bool store);

}  // namespace soft
