/**
 * An assembler for x86-64 with AVX-512 and AMX, and what this processor has of them.
 *
 * <p>{@link dev.gatun.runtime.cpu.asm.Assembler} has a method for each instruction, named as in
 * Intel's manual and with its order of operands: the destination first. It makes bytes and calls
 * nothing; {@link dev.gatun.bindings.code.ExecutableMemory} makes them callable.
 */
package dev.gatun.runtime.cpu.asm;
