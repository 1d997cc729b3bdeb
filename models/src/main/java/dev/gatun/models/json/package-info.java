/**
 * A small strict reader and writer of JSON (RFC 8259), for checkpoint headers and model
 * descriptions.
 */
package dev.gatun.models.json;
