/**
 * The text encoder of CLIP and its tokenizer: Radford et al., "Learning Transferable Visual Models
 * From Natural Language Supervision" (2021), arXiv:2103.00020. U-ViT's text-to-image models read
 * what it makes of a prompt.
 */
package dev.gatun.models.clip;
