package dev.gatun.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class WorkspaceTest {
  private final Backend backend = TestBackends.reference();
  private final Workspace workspace = backend.workspace();

  @AfterEach
  void close() {
    workspace.close();
    backend.close();
  }

  @Test
  void theSameSequenceGivesTheSameTensors() {
    List<Tensor> first = pass();
    long bytes = workspace.bytes();
    List<Tensor> second = pass();
    for (int i = 0; i < first.size(); i++) {
      assertSame(first.get(i), second.get(i), "tensor " + i);
    }
    assertEquals(bytes, workspace.bytes());
  }

  private List<Tensor> pass() {
    int mark = workspace.mark();
    var taken = new ArrayList<Tensor>();
    taken.add(workspace.take(3, 5));
    taken.add(workspace.take(2, 3, 5));
    for (int block = 0; block < 3; block++) {
      int inner = workspace.mark();
      taken.add(workspace.take(100, 1000));
      taken.add(workspace.take(1, 2, 3, 4));
      taken.add(workspace.take(DType.I64, Shape.of(7)));
      workspace.release(inner);
    }
    taken.add(workspace.take(4, 4));
    workspace.release(mark);
    return taken;
  }

  /** Where products read f32. */
  @Test
  void aFactorIsF32() {
    int mark = workspace.mark();
    var factor = workspace.takeFactor(2, 3, 64);
    workspace.release(mark);
    assertSame(factor, workspace.take(2, 3, 64));
  }

  @Test
  void releasedMemoryIsUsedAgain() {
    int mark = workspace.mark();
    var a = workspace.take(6, 4);
    workspace.release(mark);
    var b = workspace.take(4, 6);
    assertNotSame(a, b);
    assertEquals(a.segment().address(), b.segment().address());
  }

  /** The same number of elements, another shape or type: not the remembered tensor. */
  @Test
  void anotherSequenceGivesWhatItAskedFor() {
    workspace.take(2, 3);
    workspace.take(5, 7);
    workspace.release(0);
    assertEquals(Shape.of(3, 2), workspace.take(3, 2).shape());
    assertEquals(Shape.of(1, 5, 7), workspace.take(1, 5, 7).shape());
    workspace.release(0);
    var ids = workspace.take(DType.I64, Shape.of(3, 2));
    assertEquals(DType.I64, ids.dtype());
    assertEquals(DType.F32, workspace.take(3, 2).dtype());
  }

  @Test
  void liveTensorsNeverOverlap() {
    var random = new SplittableRandom(TestTensors.SEED);
    var live = new ArrayList<Tensor>();
    var marks = new ArrayList<Integer>();
    for (int step = 0; step < 2000; step++) {
      switch (random.nextInt(5)) {
        case 0 -> marks.add(workspace.mark());
        case 1 -> {
          if (!marks.isEmpty()) {
            int mark = marks.removeLast();
            workspace.release(mark);
            live.subList(mark, live.size()).clear();
          }
        }
        default -> {
          if (live.size() < 40) {
            int rows = random.nextInt(0, 400);
            live.add(workspace.take(rows, random.nextInt(1, 900)));
            assertEquals(live.size(), workspace.mark());
          }
        }
      }
      assertDisjoint(live);
    }
  }

  private static void assertDisjoint(List<Tensor> live) {
    if (live.isEmpty()) {
      return;
    }
    var last = live.getLast();
    assertEquals(0, last.segment().address() % Tensor.ALIGNMENT);
    for (var other : live.subList(0, live.size() - 1)) {
      Checks.disjoint("take, seed " + TestTensors.SEED, last, "a live tensor", other);
    }
  }

  @Test
  void growsByChunksAndKeepsWhatIsThere() {
    assertEquals(0, workspace.bytes());
    var small = workspace.take(1, 1);
    small.setFloat(0, 5);
    long one = workspace.bytes();
    assertTrue(one >= 4, () -> one + " bytes");
    var large = workspace.take(1000, 2000);
    assertEquals(Shape.of(1000, 2000), large.shape());
    assertTrue(workspace.bytes() >= one + 8_000_000, () -> workspace.bytes() + " bytes");
    assertEquals(5, small.getFloat(0));
    assertTrue(small.isAlive());
  }

  @Test
  void retainKeepsWhatIsReleased() {
    workspace.retain(true);
    int mark = workspace.mark();
    var a = workspace.take(3, 3);
    workspace.release(mark);
    var b = workspace.take(3, 3);
    assertNotSame(a, b);
    workspace.retain(false);
    workspace.release(mark);
    assertSame(a, workspace.take(3, 3));
  }

  @Test
  void aPlaceIsTheSameWhereTheSameTensorsFollow() {
    var empty = workspace.place();
    int mark = workspace.mark();
    workspace.take(3, 3);
    var above = workspace.place();
    assertNotSame(empty, above);
    workspace.release(mark);
    assertSame(empty, workspace.place());
    workspace.take(3, 3);
    assertSame(above, workspace.place());
    workspace.release(mark);
    workspace.take(4, 3); // as high, but it ends elsewhere
    assertNotSame(above, workspace.place());
  }

  @Test
  void marksAboveTheStack() {
    workspace.take(1, 1);
    var e = assertThrows(IllegalArgumentException.class, () -> workspace.release(2));
    assertEquals("mark 2 is above the workspace's height 1", e.getMessage());
  }

  @Test
  void closingClosesItsTensors() {
    var tensor = workspace.take(3, 3);
    workspace.close();
    assertFalse(tensor.isAlive());
    assertEquals(0, workspace.bytes());
    workspace.close();
  }
}
