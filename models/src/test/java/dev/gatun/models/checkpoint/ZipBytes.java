package dev.gatun.models.checkpoint;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.zip.CRC32;

/** Builds zip archives, sound or not. */
final class ZipBytes {
  /** A member, and how it lies about itself. */
  static final class Member {
    final String name;
    final byte[] data;
    String localName;
    int flags;
    int method;
    long crc;
    long size;

    /** Its size when unpacked, or -1 where that is {@link #size}. */
    long unpacked = -1;

    byte[] localExtra = {};

    /** Length of the descriptor after the data: 0, 12, 16, 20 or 24. */
    int descriptor;

    /** How many bytes more than the directory the descriptor says that there are. */
    int descriptorLie;

    /** Whether sizes and offset are in a zip64 field, and how many bytes of it there are. */
    boolean zip64;

    int zip64Bytes = 24;

    /** Whether only the offset is in a zip64 field, as miniz does beyond 4 GB. */
    boolean zip64Offset;

    /** What the local header says of its extra field's length, or -1 for the truth. */
    int localExtraLength = -1;

    private long offset;

    private Member(String name, byte[] data) {
      this.name = name;
      this.localName = name;
      this.data = data;
      this.size = data.length;
      var crc32 = new CRC32();
      crc32.update(data);
      this.crc = crc32.getValue();
    }

    private long unpacked() {
      return unpacked == -1 ? size : unpacked;
    }
  }

  private final List<Member> members = new ArrayList<>();
  private byte[] comment = {};
  private boolean zip64End;
  private boolean saturated;

  ZipBytes add(String name, byte[] data) {
    return add(name, data, member -> {});
  }

  ZipBytes add(String name, byte[] data, Consumer<Member> change) {
    var member = new Member(name, data);
    change.accept(member);
    members.add(member);
    return this;
  }

  ZipBytes change(Consumer<Member> change) {
    members.forEach(change);
    return this;
  }

  ZipBytes comment(byte[] comment) {
    this.comment = comment;
    return this;
  }

  /** Adds zip64 end records, to which the fields of the other refer, or which they repeat. */
  ZipBytes zip64End(boolean saturated) {
    zip64End = true;
    this.saturated = saturated;
    return this;
  }

  byte[] toBytes() {
    var out = new LittleEndian();
    for (var member : members) {
      member.offset = out.size();
      local(out, member);
    }
    int begin = out.size();
    members.forEach(member -> central(out, member));
    int size = out.size() - begin;
    if (zip64End) {
      int end64 = out.size();
      out.u32(0x06064b50L).u64(44).u16(45).u16(45).u32(0).u32(0);
      out.u64(members.size()).u64(members.size()).u64(size).u64(begin);
      out.u32(0x07064b50L).u32(0).u64(end64).u32(1);
    }
    if (saturated) {
      end(out, 0xFFFF, 0xFFFFFFFFL, 0xFFFFFFFFL);
    } else {
      end(out, members.size(), size, begin);
    }
    return out.bytes(comment).toBytes();
  }

  private void end(LittleEndian out, int count, long size, long begin) {
    out.u32(0x06054b50L).u16(0).u16(0).u16(count).u16(count).u32(size).u32(begin);
    out.u16(comment.length);
  }

  private static void local(LittleEndian out, Member member) {
    boolean later = member.descriptor > 0;
    byte[] name = member.localName.getBytes(StandardCharsets.UTF_8);
    byte[] extra = member.localExtra;
    if (member.zip64) {
      var field = new LittleEndian().u16(1).u16(16);
      long whole = later ? 0 : member.unpacked();
      extra = field.u64(whole).u64(later ? 0 : member.size).bytes(extra).toBytes();
    }
    if (member.zip64Offset) {
      extra = new LittleEndian().u16(1).u16(8).u64(member.offset).bytes(extra).toBytes();
    }
    long narrow = member.zip64 ? 0xFFFFFFFFL : later ? 0 : member.size;
    out.u32(0x04034b50L).u16(0).u16(member.flags | (later ? 8 : 0)).u16(member.method);
    long wide = member.zip64 ? 0xFFFFFFFFL : later ? 0 : member.unpacked();
    out.u32(0).u32(later ? 0 : member.crc).u32(narrow).u32(wide).u16(name.length);
    out.u16(member.localExtraLength >= 0 ? member.localExtraLength : extra.length);
    out.bytes(name).bytes(extra).bytes(member.data);
    if (later) {
      long size = member.size + member.descriptorLie;
      long whole = member.unpacked() + member.descriptorLie;
      if (member.descriptor == 16 || member.descriptor == 24) {
        out.u32(0x08074b50L);
      }
      out.u32(member.crc);
      if (member.descriptor >= 20) {
        out.u64(size).u64(whole);
      } else {
        out.u32(size).u32(whole);
      }
    }
  }

  private static void central(LittleEndian out, Member member) {
    byte[] name = member.name.getBytes(StandardCharsets.UTF_8);
    long narrow = member.zip64 ? 0xFFFFFFFFL : member.size;
    out.u32(0x02014b50L).u16(0).u16(0).u16(member.flags | (member.descriptor > 0 ? 8 : 0));
    out.u16(member.method).u32(0).u32(member.crc).u32(narrow);
    out.u32(member.zip64 ? 0xFFFFFFFFL : member.unpacked()).u16(name.length);
    boolean wide = member.zip64 || member.zip64Offset;
    out.u16(member.zip64 ? 4 + member.zip64Bytes : wide ? 12 : 0).u16(0).u16(0).u16(0).u32(0);
    out.u32(wide ? 0xFFFFFFFFL : member.offset).bytes(name);
    if (member.zip64Offset) {
      out.u16(1).u16(8).u64(member.offset);
    }
    if (member.zip64) {
      var values =
          new LittleEndian().u64(member.unpacked()).u64(member.size).u64(member.offset).toBytes();
      out.u16(1).u16(member.zip64Bytes);
      out.bytes(Arrays.copyOf(values, member.zip64Bytes));
    }
  }
}
