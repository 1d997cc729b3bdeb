package dev.gatun.models.checkpoint;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * A member of a zip that is written without compression (PKWARE APPNOTE 6.3.10), with the zip64
 * fields that it needs beyond 4 GiB.
 *
 * @param name ASCII
 * @param offset where its local header begins in the file
 * @param size how many bytes it has
 * @param crc CRC-32 of them
 */
record StoredMember(String name, long offset, long size, long crc) {
  private static final int LOCAL = 0x04034b50;
  private static final int CENTRAL = 0x02014b50;
  private static final int END = 0x06054b50;
  private static final int END64 = 0x06064b50;
  private static final int LOCATOR64 = 0x07064b50;

  private static final int LOCAL_BYTES = 30;
  private static final int CENTRAL_BYTES = 46;
  private static final int END_BYTES = 22;
  private static final int END64_BYTES = 56;
  private static final int LOCATOR64_BYTES = 20;
  private static final int MAX_EXTRA = 28;

  /** Version 4.5 of the format, which has zip64. */
  private static final short VERSION = 45;

  private static final short ZIP64 = 1;

  /** 1 January 1980, the first day that a zip knows, so that equal arrays make equal files. */
  private static final short DATE = 1 << 5 | 1;

  /** What a 32-bit field says where its value is in the zip64 field. */
  private static final int SATURATED = -1;

  private static boolean isWide(long value) {
    return value >= 0xFFFF_FFFFL;
  }

  /** What stands before its bytes. As NumPy's, it always has a zip64 field. */
  byte[] local() {
    byte[] ascii = name.getBytes(StandardCharsets.US_ASCII);
    var out = allocate(LOCAL_BYTES + ascii.length + 20);
    out.putInt(LOCAL).putShort(VERSION).putShort((short) 0).putShort((short) 0);
    out.putShort((short) 0).putShort(DATE).putInt((int) crc).putInt(SATURATED).putInt(SATURATED);
    out.putShort((short) ascii.length).putShort((short) 20).put(ascii);
    out.putShort(ZIP64).putShort((short) 16).putLong(size).putLong(size);
    return out.array();
  }

  /** What stands behind the last member. */
  static byte[] directory(List<StoredMember> members, long begin) {
    int most = END64_BYTES + LOCATOR64_BYTES + END_BYTES;
    for (var member : members) {
      most += CENTRAL_BYTES + member.name.length() + MAX_EXTRA;
    }
    var out = allocate(most);
    members.forEach(member -> member.central(out));
    int size = out.position();
    short count = (short) members.size();
    boolean wide = isWide(begin);
    if (wide) {
      out.putInt(END64).putLong(END64_BYTES - 12).putShort(VERSION).putShort(VERSION);
      out.putInt(0).putInt(0).putLong(count).putLong(count).putLong(size).putLong(begin);
      out.putInt(LOCATOR64).putInt(0).putLong(begin + size).putInt(1);
    }
    out.putInt(END).putShort((short) 0).putShort((short) 0).putShort(count).putShort(count);
    out.putInt(size).putInt(wide ? SATURATED : (int) begin).putShort((short) 0);
    byte[] bytes = new byte[out.position()];
    out.flip().get(bytes);
    return bytes;
  }

  private void central(ByteBuffer out) {
    byte[] ascii = name.getBytes(StandardCharsets.US_ASCII);
    boolean wideSize = isWide(size);
    boolean wideOffset = isWide(offset);
    int values = (wideSize ? 16 : 0) + (wideOffset ? 8 : 0);
    int narrow = wideSize ? SATURATED : (int) size;
    out.putInt(CENTRAL).putShort(VERSION).putShort(VERSION).putShort((short) 0).putShort((short) 0);
    out.putShort((short) 0).putShort(DATE).putInt((int) crc).putInt(narrow).putInt(narrow);
    out.putShort((short) ascii.length).putShort((short) (values == 0 ? 0 : 4 + values));
    out.putShort((short) 0).putShort((short) 0).putShort((short) 0).putInt(0);
    out.putInt(wideOffset ? SATURATED : (int) offset).put(ascii);
    if (values > 0) {
      out.putShort(ZIP64).putShort((short) values);
      if (wideSize) {
        out.putLong(size).putLong(size);
      }
      if (wideOffset) {
        out.putLong(offset);
      }
    }
  }

  private static ByteBuffer allocate(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
