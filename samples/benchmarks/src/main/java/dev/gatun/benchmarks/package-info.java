/** JMH benchmarks of the operators, at the shapes of DiT-S, DiT-B and DiT-XL. */
package dev.gatun.benchmarks;
