/** Memory that the Java API does not give. */
package dev.gatun.bindings.memory;
