/**
 * JMH benchmarks of the operators, at the shapes of DiT-S, DiT-B and DiT-XL; operators and networks
 * for a comparison with other programs.
 */
package dev.gatun.benchmarks;
