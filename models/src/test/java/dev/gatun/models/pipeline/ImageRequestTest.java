package dev.gatun.models.pipeline;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** What may be asked for, with a model of ten digits. */
class ImageRequestTest {
  private static ImagePipeline pipeline;

  @BeforeAll
  static void load() throws Exception {
    pipeline = ImagePipeline.bundled("uvit-digits");
  }

  @AfterAll
  static void close() {
    pipeline.close();
  }

  private static void refused(Executable request, String... facts) {
    var e = assertThrows(IllegalArgumentException.class, request);
    for (var fact : facts) {
      assertTrue(e.getMessage().contains(fact), e.getMessage());
    }
  }

  // ------------------------------------------------------------------------------------------
  // classes

  @Test
  void classesAreReplacedAndAllOrNothing() {
    var request = pipeline.request().classes(7);
    refused(() -> request.classes("3", "nope"), "no class 'nope'");
    refused(() -> request.classes(3, 10), "class 10 is not one of 0 to 9");
    assertEquals("7", request.parameters().get("classes"));
    assertEquals("1,2", request.classes(1, 2).parameters().get("classes"));
    assertEquals("4", request.classes("4").parameters().get("classes"));
    assertEquals("all", request.classes(new int[0]).parameters().get("classes"));
  }

  @Test
  void manyNamesAreNotAllListed() {
    var names = IntStream.range(0, 1000).mapToObj(i -> "kind" + i).toList();
    var classes = new ClassNames(1000, names);
    assertEquals(999, classes.label(" KIND999 "));
    assertEquals(12, classes.label("12"));
    refused(() -> classes.label("kind"), "kind0, kind1, ", "kind19 and 980 more");
    var e = assertThrows(IllegalArgumentException.class, () -> classes.label("x".repeat(100_000)));
    assertTrue(e.getMessage().length() < 1000);
    var twenty = new ClassNames(20, names.subList(0, 20));
    var exact = assertThrows(IllegalArgumentException.class, () -> twenty.label("kind"));
    assertFalse(exact.getMessage().contains("more"), exact.getMessage());
    refused(() -> new ClassNames(5, List.of()).label("cat"), "numbers from 0 to 4");
    refused(() -> new ClassNames(0, List.of()).label("cat"), "knows no classes");
    refused(() -> new ClassNames(0, List.of()).label(0), "knows no classes");
  }

  // ------------------------------------------------------------------------------------------
  // batches

  @Test
  void whatCannotBeComputedTogetherIsSaidBeforehand() {
    for (var rng : List.of(Rng.TORCH, Rng.CUDA)) {
      var request = pipeline.request().rng(rng).count(ImageRequest.MOST);
      refused(request::check, "1000000 pictures", "at most 4096", "--batch N", "batch(n)");
      refused(() -> request.generate((_, _) -> {}), "at most 4096");
      request.batch(4096).check();
      request.count(4096).check();
    }
    pipeline.request().count(ImageRequest.MOST).check();
  }

  @Test
  void aBatchOfLargePicturesHoldsFewer() throws Exception {
    try (var large = ImagePipeline.bundledLoader("uvit-digits").size(1024).load()) {
      refused(
          () -> large.request().count(2000).batch(2000).check(),
          "2000 pictures are to be computed together, expected at most 1023");
      large.request().count(2000).batch(1023).check();
    }
  }

  // ------------------------------------------------------------------------------------------
  // threads

  @Test
  void anotherThreadIsRefused() throws Exception {
    var expected = pipeline.request().count(1).steps(2).generate();
    var begun = new CountDownLatch(1);
    var refused = new CountDownLatch(1);
    var failure = new AtomicReference<Throwable>();
    var first = pipeline.request().count(1).steps(2);
    first.onProgress(
        (_, _, _) -> {
          begun.countDown();
          try {
            refused.await();
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
        });
    var made = new AtomicReference<GeneratedImages>();
    var thread =
        Thread.ofVirtual()
            .start(
                () -> {
                  try {
                    made.set(first.generate());
                  } catch (Throwable e) {
                    failure.set(e);
                  }
                });
    begun.await();
    var e =
        assertThrows(
            IllegalStateException.class, () -> pipeline.request().count(1).steps(1).generate());
    assertTrue(e.getMessage().contains("another thread"), e.getMessage());
    refused.countDown();
    thread.join();
    assertEquals(null, failure.get());
    assertArrayEquals(expected.samples(), made.get().samples());
    // and when it is done, others may
    assertArrayEquals(
        expected.samples(), pipeline.request().count(1).steps(2).generate().samples());
  }

  @Test
  void oneThreadMayAskWithinARequest() throws Exception {
    var expected = pipeline.request().count(2).batch(1).steps(2).generate();
    var inner = new AtomicReference<GeneratedImages>();
    var request = pipeline.request().count(2).batch(1).steps(2);
    int made = request.generate((_, _) -> inner.set(wrapped(pipeline.request().count(2).steps(2))));
    assertEquals(2, made);
    assertArrayEquals(expected.samples(), inner.get().samples());
    request.onProgress((_, _, _) -> wrapped(pipeline.request().count(1).steps(1)));
    assertArrayEquals(expected.samples(), request.generate().samples());
  }

  private static GeneratedImages wrapped(ImageRequest request) {
    try {
      return request.generate();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void aRequestThatFailedLeavesThePipelineFree() throws Exception {
    var request = pipeline.request().count(1).steps(1);
    request.onProgress(
        (_, _, _) -> {
          throw new IllegalStateException("mine");
        });
    assertThrows(IllegalStateException.class, request::generate);
    var made = new AtomicReference<GeneratedImages>();
    Thread.ofPlatform().start(() -> made.set(wrapped(pipeline.request().count(1).steps(1)))).join();
    assertEquals(1, made.get().count());
  }

  // ------------------------------------------------------------------------------------------
  // nothing

  @Test
  void nothingIsRefusedByName() {
    var request = pipeline.request();
    isNull("rng", () -> request.rng(null));
    isNull("sampler", () -> request.sampler(null));
    isNull("respacing", () -> request.respacing(null));
    isNull("spacing", () -> request.spacing(null));
    isNull("levels", () -> request.levels(null));
    isNull("correction", () -> request.correction(null));
    isNull("classes", () -> request.classes((String[]) null));
    isNull("classes", () -> request.classes("1", null));
    isNull("labels", () -> request.classes((int[]) null));
    isNull("prompts", () -> request.prompts((String) null));
    isNull("images", () -> request.lowResolution(null));
    isNull("sink", () -> request.generate(null));
    isNull("name", () -> ImagePipeline.bundled(null));
    isNull("name", () -> BundledModels.open(null));
    isNull("file", () -> ImagePipeline.load((Path) null));
    isNull("file", () -> ImagePipeline.loader(null));
    isNull("checkpoint", () -> ImagePipeline.load(null, null, null));
    var loader = ImagePipeline.bundledLoader("uvit-digits");
    isNull("preset", () -> loader.preset(null));
    isNull("description", () -> loader.description(null));
    isNull("autoencoder", () -> loader.autoencoder(null));
    isNull("textEncoder", () -> loader.textEncoder(null));
    isNull("classifier", () -> loader.classifier(null));
    isNull("upsampler", () -> loader.upsampler(null));
    isNull("backend", () -> loader.backend(null));
    isNull("precision", () -> loader.precision(null));
  }

  private static void isNull(String name, Executable call) {
    assertEquals(name, assertThrows(NullPointerException.class, call).getMessage());
  }
}
