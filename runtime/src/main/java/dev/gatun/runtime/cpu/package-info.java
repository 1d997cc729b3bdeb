/**
 * The cpu backend: kernels on the Vector API, one class per operator family, and the thread team.
 */
package dev.gatun.runtime.cpu;
