package dev.gatun.models.checkpoint;

import dev.gatun.models.checkpoint.PickleValue.BigInt;
import dev.gatun.models.checkpoint.PickleValue.Bool;
import dev.gatun.models.checkpoint.PickleValue.Dict;
import dev.gatun.models.checkpoint.PickleValue.Int;
import dev.gatun.models.checkpoint.PickleValue.None;
import dev.gatun.models.checkpoint.PickleValue.PyList;
import dev.gatun.models.checkpoint.PickleValue.Raw;
import dev.gatun.models.checkpoint.PickleValue.Real;
import dev.gatun.models.checkpoint.PickleValue.Storage;
import dev.gatun.models.checkpoint.PickleValue.Text;
import dev.gatun.models.checkpoint.PickleValue.Tuple;
import java.lang.foreign.ValueLayout;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * The pickle machine (protocols 2 to 5; CPython's {@code pickletools.py} defines the opcodes), cut
 * down to what {@code torch.save} writes. It runs nothing: it builds {@linkplain PickleValue
 * descriptions}, in time linear in the length of the pickle and without recursion.
 */
final class Pickle {
  /** CPython writes containers in batches of 1,000, so honest stacks stay low. */
  private static final int MAX_STACK = 100_000;

  private static final int MAX_MARKS = 1_000;
  private static final int MAX_NUMBER_BYTES = 255;
  private static final int MAX_GLOBAL = 256;

  /** What a value takes on the heap, with its places on the stack and in a container, about. */
  private static final int VALUE_BYTES = 96;

  private final Source source;
  private final long begin;
  private final long end;
  private final PickleBuilder builder;
  private long at;
  private long opcodeAt;
  private long frameEnd = -1;

  private final List<PickleValue> stack = new ArrayList<>();
  private final List<Integer> marks = new ArrayList<>();
  private final Map<Long, PickleValue> memo = new HashMap<>();

  /** A machine over the bytes from {@code begin} to {@code end} of a file. */
  Pickle(Source source, long begin, long end) {
    this.source = source;
    this.begin = begin;
    this.end = end;
    this.at = begin;
    this.opcodeAt = begin;
    this.builder = new PickleBuilder(this);
  }

  /** The storages that were mentioned, by key; after {@link #load}. */
  SequencedMap<String, Storage> storages() {
    return new LinkedHashMap<>(builder.storages());
  }

  /** Where the pickle ended; after {@link #load}. */
  long position() {
    return at;
  }

  /** Runs to STOP and gives what is then on the stack. */
  PickleValue load() throws CheckpointException {
    if (u8() != 0x80) {
      throw error("does not begin with PROTO");
    }
    int protocol = u8();
    if (protocol < 2 || protocol > 5) {
      throw error("has the protocol " + protocol + ", expected 2 to 5");
    }
    while (true) {
      if (at == end) {
        throw error("has no STOP opcode");
      }
      opcodeAt = at;
      int opcode = u8();
      if (opcode == '.') {
        return stop();
      }
      execute(opcode);
      if (frameEnd >= 0 && at >= frameEnd) {
        if (at > frameEnd) {
          throw error("has an opcode that crosses the end of its frame");
        }
        frameEnd = -1;
      }
    }
  }

  private PickleValue stop() throws CheckpointException {
    if (frameEnd >= 0 && frameEnd != at) {
      throw error("stops " + (frameEnd - at) + " bytes before the end of its frame");
    }
    if (stack.size() != 1 || !marks.isEmpty()) {
      throw error("stops with " + stack.size() + " values on its stack, expected one");
    }
    return stack.getFirst();
  }

  private void execute(int opcode) throws CheckpointException {
    switch (opcode) {
      // scalars
      case 'N' -> push(None.NONE);
      case 0x88 -> push(new Bool(true));
      case 0x89 -> push(new Bool(false));
      case 'J' -> push(new Int(source.i32(advance(4))));
      case 'K' -> push(new Int(u8()));
      case 'M' -> push(new Int(source.u16(advance(2))));
      case 0x8a -> push(number(u8()));
      case 0x8b -> push(number(u32()));
      case 'G' -> push(new Real(Double.longBitsToDouble(Long.reverseBytes(i64()))));
      // strings; what Python 2 wrote is Latin-1
      case 0x8c -> push(text(u8()));
      case 'X' -> push(text(u32()));
      case 0x8d -> push(text(i64()));
      case 'U' -> push(latin1(u8()));
      case 'T' -> push(latin1(u32()));
      case 'C' -> push(raw(u8()));
      case 'B' -> push(raw(u32()));
      case 0x8e -> push(raw(i64()));
      // containers
      case '}' -> push(new Dict(false));
      case ']' -> push(new PyList());
      case ')' -> push(new Tuple(List.of()));
      case '(' -> mark();
      case 't' -> push(new Tuple(popToMark()));
      case 0x85 -> push(new Tuple(pop(1)));
      case 0x86 -> push(new Tuple(pop(2)));
      case 0x87 -> push(new Tuple(pop(3)));
      case 'a' -> append(pop(1));
      case 'e' -> append(popToMark());
      case 's' -> setItems(pop(2));
      case 'u' -> setItems(popToMark());
      case '0' -> pop(1);
      case '1' -> popToMark();
      // memo
      case 'q' -> put(u8());
      case 'r' -> put(u32());
      case 0x94 -> put(memo.size());
      case 'h' -> get(u8());
      case 'j' -> get(u32());
      // objects, as descriptions
      case 'c' -> push(builder.global(line(), line()));
      case 0x93 -> stackGlobal(pop(2));
      case 'R', 0x81 -> reduce(pop(2));
      case 'b' -> build(pop(2));
      case 'Q' -> push(builder.storage(pop(1).getFirst()));
      case 0x95 -> frame(i64());
      default ->
          throw error(
              "has the opcode 0x%02x, which is not run because no checkpoint needs it"
                  .formatted(opcode));
    }
  }

  // ------------------------------------------------------------------------------------ the stack

  private void push(PickleValue value) throws CheckpointException {
    if (stack.size() == MAX_STACK) {
      throw error("keeps more than " + MAX_STACK + " values on its stack");
    }
    source.budget().take(VALUE_BYTES);
    stack.add(value);
  }

  private void mark() throws CheckpointException {
    if (marks.size() == MAX_MARKS) {
      throw error("nests deeper than " + MAX_MARKS);
    }
    marks.add(stack.size());
  }

  /** The topmost values, lowest first; those below a mark cannot be reached. */
  private List<PickleValue> pop(int count) throws CheckpointException {
    int floor = marks.isEmpty() ? 0 : marks.getLast();
    if (stack.size() - floor < count) {
      throw error("takes a value from an empty stack");
    }
    var top = stack.subList(stack.size() - count, stack.size());
    var popped = List.copyOf(top);
    top.clear();
    return popped;
  }

  private List<PickleValue> popToMark() throws CheckpointException {
    if (marks.isEmpty()) {
      throw error("has no MARK where one is expected");
    }
    var popped = pop(stack.size() - marks.getLast());
    marks.removeLast();
    return popped;
  }

  private PickleValue top() throws CheckpointException {
    if (stack.size() == (marks.isEmpty() ? 0 : marks.getLast())) {
      throw error("takes a value from an empty stack");
    }
    return stack.getLast();
  }

  // ------------------------------------------------------------------------------------- the memo

  private void put(long index) throws CheckpointException {
    if (index > end - begin) {
      throw error("has the memo index " + index + ", more than it has opcodes");
    }
    source.budget().take(VALUE_BYTES);
    memo.put(index, top());
  }

  private void get(long index) throws CheckpointException {
    var value = memo.get(index);
    if (value == null) {
      throw error("reads the memo at " + index + ", where nothing was put");
    }
    push(value);
  }

  // ------------------------------------------------------------------------------- the containers

  private void append(List<PickleValue> items) throws CheckpointException {
    if (!(top() instanceof PyList list)) {
      throw error("appends to " + top().kind() + ", expected a list");
    }
    list.items.addAll(items);
  }

  private void setItems(List<PickleValue> items) throws CheckpointException {
    if (!(top() instanceof Dict dict)) {
      throw error("sets an item of " + top().kind() + ", expected a dict");
    }
    if (items.size() % 2 != 0) {
      throw error("sets a key without a value");
    }
    for (int i = 0; i < items.size(); i += 2) {
      builder.set(dict, items.get(i), items.get(i + 1));
    }
  }

  private void stackGlobal(List<PickleValue> names) throws CheckpointException {
    if (!(names.get(0) instanceof Text(var module)) || !(names.get(1) instanceof Text(var name))) {
      throw error("names a global by " + names.get(0).kind() + " and " + names.get(1).kind());
    }
    push(builder.global(module, name));
  }

  private void reduce(List<PickleValue> call) throws CheckpointException {
    if (!(call.get(1) instanceof Tuple(var arguments))) {
      throw error("calls with " + call.get(1).kind() + ", expected a tuple");
    }
    push(builder.call(call.get(0), arguments));
  }

  private void build(List<PickleValue> objectAndState) throws CheckpointException {
    builder.build(objectAndState.get(0), objectAndState.get(1));
    push(objectAndState.get(0));
  }

  // --------------------------------------------------------------------------------- reading

  /** Passes over some bytes and gives where they begin. */
  private long advance(long count) throws CheckpointException {
    if (count < 0 || count > end - at) {
      throw error(
          "ends before the " + Long.toUnsignedString(count) + " bytes that an opcode announces");
    }
    long from = at;
    at += count;
    return from;
  }

  private int u8() throws CheckpointException {
    return source.u8(advance(1));
  }

  private long u32() throws CheckpointException {
    return source.u32(advance(4));
  }

  private long i64() throws CheckpointException {
    return source.i64(advance(8));
  }

  private PickleValue number(long length) throws CheckpointException {
    if (length > MAX_NUMBER_BYTES) {
      throw error("has a number of " + length + " bytes, more than " + MAX_NUMBER_BYTES);
    }
    if (length == 0) {
      return new Int(0);
    }
    byte[] bytes = source.bytes().asSlice(advance(length), length).toArray(ValueLayout.JAVA_BYTE);
    for (int i = 0, j = bytes.length - 1; i < j; i++, j--) {
      byte swapped = bytes[i];
      bytes[i] = bytes[j];
      bytes[j] = swapped;
    }
    var value = new BigInteger(bytes);
    return value.bitLength() < Long.SIZE ? new Int(value.longValue()) : new BigInt(value);
  }

  private Text text(long length) throws CheckpointException {
    return new Text(source.utf8(advance(length), length, "a string of its pickle"));
  }

  private Text latin1(long length) throws CheckpointException {
    return new Text(new String(source.copy(advance(length), length), StandardCharsets.ISO_8859_1));
  }

  private Raw raw(long length) throws CheckpointException {
    advance(length);
    return Raw.BYTES;
  }

  private String line() throws CheckpointException {
    var line = new StringBuilder();
    for (int c = u8(); c != '\n'; c = u8()) {
      if (line.length() == MAX_GLOBAL) {
        throw error("has a global's name of more than " + MAX_GLOBAL + " characters");
      }
      line.append((char) c);
    }
    return line.toString();
  }

  private void frame(long length) throws CheckpointException {
    if (frameEnd >= 0) {
      throw error("begins a frame inside another");
    }
    if (length < 0 || length > end - at) {
      throw error(
          "has a frame of "
              + Long.toUnsignedString(length)
              + " bytes, only "
              + (end - at)
              + " are left");
    }
    frameEnd = at + length;
  }

  /** An exception about the opcode that is being executed. */
  CheckpointException error(String fact) {
    return source.error(
        "its pickle "
            + fact
            + ", at byte "
            + opcodeAt
            + "; the file is damaged or hostile, get it from a source you trust or as safetensors");
  }

  /** Pays for an entry of a container that one opcode can make many of. */
  void pay(int entries) throws CheckpointException {
    source.budget().take((long) VALUE_BYTES * entries);
  }

  /** An exception with a sentence of its own. */
  CheckpointException refusal(String sentence) {
    return source.error(sentence);
  }
}
