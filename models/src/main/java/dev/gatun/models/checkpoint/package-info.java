/**
 * Checkpoint files: safetensors (one file or shards with an index), and what {@code torch.save}
 * writes (zip and legacy), read without running anything that is in them.
 *
 * <p>A file is mapped, and its description is read and proven before anything is made from it; the
 * numbers themselves are read when {@link dev.gatun.models.checkpoint.Checkpoint#read} asks for
 * them. Whatever is wrong with a file comes out as a {@link
 * dev.gatun.models.checkpoint.CheckpointException} of one sentence.
 */
package dev.gatun.models.checkpoint;
