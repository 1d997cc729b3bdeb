/**
 * Finds and loads NVIDIA's libraries: {@link dev.gatun.bindings.loader.LibraryLoader} from where
 * {@link dev.gatun.bindings.loader.SearchPath} has them.
 */
package dev.gatun.bindings.loader;
