/** From a file to pictures: what most programs use. */
package dev.gatun.models.pipeline;
