package dev.gatun.models.diffusion;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RespacingTest {
  /** Of 1000 timesteps: the first ones, the last one, how many, and their sum. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "250 | 0,4,8,12,16,20,24,28 | 999 | 250 | 124875",
        "100 | 0,10,20,30,40,50,61,71 | 999 | 100 | 49950",
        "50 | 0,20,41,61,82,102,122,143 | 999 | 50 | 24975",
        "25 | 0,42,83,125,166,208,250,291 | 999 | 25 | 12487",
        "20 | 0,53,105,158,210,263,315,368 | 999 | 20 | 9990",
        "10 | 0,111 | 999 | 10 | 4995",
        "5 | 0,250,500,749,999 | 999 | 5 | 2498",
        "2 | 0,999 | 999 | 2 | 999",
        "1 | 0 | 0 | 1 | 0",
        "90,60,60,20,20 | 0,2,4,7,9,11,13,16 | 999 | 250 | 88875",
        "ddim25 | 0,40 | 960 | 25 | 12000",
        "ddim50 | 0,20 | 980 | 50 | 24500",
        "ddim250 | 0,4 | 996 | 250 | 124500",
        "ddim1000 | 0,1,2 | 999 | 1000 | 499500",
        "'' | 0,1,2 | 999 | 1000 | 499500",
        "' 250 ' | 0,4,8 | 999 | 250 | 124875",
      })
  void keepsTheTimestepsOfTheReference(String text, String first, int last, int count, int sum) {
    int[] kept = Respacing.parse(text).timesteps(1000);
    int[] head = Arrays.stream(first.split(",")).mapToInt(Integer::parseInt).toArray();
    assertArrayEquals(head, Arrays.copyOf(kept, head.length));
    assertEquals(last, kept[kept.length - 1]);
    assertEquals(count, kept.length);
    assertEquals(sum, IntStream.of(kept).sum());
  }

  @Test
  void theFirstSectionsTakeTheRemainder() {
    // 11 timesteps in sections of 4, 4 and 3
    assertArrayEquals(
        new int[] {0, 3, 4, 8, 9, 10}, new Respacing.Sections(List.of(2, 1, 3)).timesteps(11));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "0",
        "-5",
        "ddim0",
        "ddim-3",
        "ddim",
        "12,",
        ",",
        "3,,4",
        "3,0",
        "ten",
        "2.5",
        "+7",
        "99999999999",
        "ddim99999999999",
        "50ddim",
        "٣",
        "10;8"
      })
  void refusesWhatIsNoRespacing(String text) {
    var error = assertThrows(IllegalArgumentException.class, () -> Respacing.parse(text));
    assertTrue(error.getMessage().startsWith("respacing '" + text + "'"), error.getMessage());
  }

  @Test
  void refusesMoreThanThereIs() {
    fails("ddim300", "no stride keeps exactly 300 of 1000");
    fails("ddim1001", "no stride keeps exactly 1001 of 1000");
    fails("1001", "keeps 1001 steps of a section of 1000");
    fails("10,8,500", "keeps 500 steps of a section of 333");
    fails("2147483647", "keeps 2147483647 steps of a section of 1000");
  }

  private static void fails(String text, String message) {
    var respacing = Respacing.parse(text);
    var error = assertThrows(IllegalArgumentException.class, () -> respacing.timesteps(1000));
    assertTrue(error.getMessage().contains(message), error.getMessage());
  }

  @Test
  void recordsCheckWhatTheyHold() {
    assertThrows(IllegalArgumentException.class, () -> new Respacing.Strided(0));
    assertThrows(IllegalArgumentException.class, () -> new Respacing.Sections(List.of(3, -1)));
    assertThrows(IllegalArgumentException.class, () -> new Respacing.Sections(List.of()));
  }
}
