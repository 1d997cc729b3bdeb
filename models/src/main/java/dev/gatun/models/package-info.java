/** What every network is: its description, its weights' source, its forward pass. */
package dev.gatun.models;
