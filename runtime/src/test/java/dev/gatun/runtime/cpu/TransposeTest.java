package dev.gatun.runtime.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class TransposeTest {
  @Test
  void rowsOfABlockBecomeItsColumns() {
    int size = Lanes.COUNT;
    for (int blocks = 1; blocks <= 3; blocks++) {
      int step = blocks * size;
      float[] x = new float[size * step];
      for (int i = 0; i < x.length; i++) {
        x[i] = i;
      }
      Transpose.blocks(x, step);
      for (int row = 0; row < size; row++) {
        for (int column = 0; column < step; column++) {
          int block = column / size * size;
          float expected = (column - block) * step + block + row;
          assertEquals(expected, x[row * step + column], "row " + row + ", column " + column);
        }
      }
    }
  }
}
