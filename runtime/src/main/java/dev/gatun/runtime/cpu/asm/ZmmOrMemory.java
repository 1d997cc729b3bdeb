package dev.gatun.runtime.cpu.asm;

/** A source of 512 bits. */
public sealed interface ZmmOrMemory permits Zmm, Address {}
