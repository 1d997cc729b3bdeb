/** NVIDIA's GPUs: so far which there are. Nothing here is loaded until somebody asks for one. */
package dev.gatun.runtime.cuda;
