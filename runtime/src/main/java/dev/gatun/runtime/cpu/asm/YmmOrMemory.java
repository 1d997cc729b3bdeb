package dev.gatun.runtime.cpu.asm;

/** A source of 256 bits. */
public sealed interface YmmOrMemory permits Ymm, Address {}
