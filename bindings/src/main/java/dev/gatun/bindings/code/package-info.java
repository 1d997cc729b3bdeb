/**
 * Machine code that the program itself has written: {@link
 * dev.gatun.bindings.code.ExecutableMemory} makes it callable.
 */
package dev.gatun.bindings.code;
