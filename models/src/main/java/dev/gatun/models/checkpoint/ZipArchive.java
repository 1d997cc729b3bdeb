package dev.gatun.models.checkpoint;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.zip.CRC32;

/**
 * A zip archive whose members are stored, as {@code torch.save} writes them, or also deflated, as
 * NumPy may (PKWARE APPNOTE 6.3.10).
 *
 * <p>Readers of zip differ in what they believe where a file contradicts itself, and hostile files
 * live on that. So here every byte has one meaning: the members follow each other from byte 0 to
 * the central directory without a gap, local and central headers agree, the central directory ends
 * where the end records begin, those end with the file, and no name occurs twice.
 */
final class ZipArchive {
  private static final long LOCAL = 0x04034b50L;
  private static final long CENTRAL = 0x02014b50L;
  private static final long DESCRIPTOR = 0x08074b50L;
  private static final long END = 0x06054b50L;
  private static final long END64 = 0x06064b50L;
  private static final long LOCATOR64 = 0x07064b50L;

  private static final int LOCAL_BYTES = 30;
  private static final int CENTRAL_BYTES = 46;
  private static final int END_BYTES = 22;
  private static final int LOCATOR64_BYTES = 20;

  private static final int ENCRYPTED = 1;
  private static final int HAS_DESCRIPTOR = 1 << 3;
  private static final int UTF8 = 1 << 11;

  /** How hard deflate tried: of no use to a reader. */
  private static final int EFFORT = 3 << 1;

  private static final int STORED = 0;
  private static final int DEFLATED = 8;
  private static final int ZIP64 = 1;

  /** A 32-bit field that says "see the zip64 field". */
  private static final long SATURATED = 0xFFFF_FFFFL;

  /**
   * A member.
   *
   * @param offset where its bytes begin in the file
   * @param packed how many bytes of the file it takes
   * @param size how many bytes it has
   * @param crc CRC-32 of them
   * @param deflated whether they are compressed; if not, {@code packed} is {@code size}
   */
  record Member(String name, long offset, long packed, long size, long crc, boolean deflated) {}

  /** What the central directory says of a member. */
  private record Entry(
      String name,
      long nameAt,
      int nameLength,
      int flags,
      int method,
      long crc,
      long packed,
      long size,
      long local) {}

  /** Where the central directory is. */
  private record Directory(long begin, long end, long entries) {}

  private final Source source;
  private final boolean mayDeflate;
  private final SequencedMap<String, Member> members = new LinkedHashMap<>();

  private ZipArchive(Source source, boolean mayDeflate) {
    this.source = source;
    this.mayDeflate = mayDeflate;
  }

  /** Reads and proves the directory and the local headers; no member may be compressed. */
  static ZipArchive read(Source source) throws CheckpointException {
    return read(source, false);
  }

  /** The same where members may be deflated. */
  static ZipArchive read(Source source, boolean mayDeflate) throws CheckpointException {
    var archive = new ZipArchive(source, mayDeflate);
    var directory = archive.directory();
    archive.locate(archive.entries(directory), directory.begin);
    return archive;
  }

  /** The members by name, in file order. */
  SequencedMap<String, Member> members() {
    return Collections.unmodifiableSequencedMap(members);
  }

  /**
   * Proves the checksum of a small stored member.
   *
   * @param limit how many bytes it may have
   */
  void verify(Member member, long limit) throws CheckpointException {
    if (member.size > limit) {
      throw error(
          member.name,
          "has " + member.size + " bytes, expected at most " + limit + ", and is not read");
    }
    var crc = new CRC32();
    crc.update(source.bytes().asSlice(member.offset, member.size).asByteBuffer());
    if (crc.getValue() != member.crc) {
      throw error(
          member.name,
          "has the CRC-32 %08x, expected %08x; the file is damaged"
              .formatted(crc.getValue(), member.crc));
    }
  }

  private Directory directory() throws CheckpointException {
    long at = source.size() - END_BYTES;
    if (at < 0 || source.u32(at) != END || source.u16(at + 20) != 0) {
      throw source.error(
          "does not end with the end record of a zip; its download was cut off, or a comment or"
              + " another file was appended");
    }
    long entriesHere = source.u16(at + 8);
    long entries = source.u16(at + 10);
    long size = source.u32(at + 12);
    long begin = source.u32(at + 16);
    long disks = source.u16(at + 4) | source.u16(at + 6);
    long end = at;
    long locator = at - LOCATOR64_BYTES;
    if (locator >= 0 && source.u32(locator) == LOCATOR64) {
      long end64 = source.i64(locator + 8);
      if (end64 < 0 || end64 > locator - 56 || source.u32(end64) != END64) {
        throw source.error(
            "its zip64 end record is not at byte "
                + Long.toUnsignedString(end64)
                + ", where its locator says; the file is damaged");
      }
      boolean agrees =
          source.i64(end64 + 4) == locator - end64 - 12
              && agrees(entries, 0xFFFF, source.i64(end64 + 32))
              && agrees(size, SATURATED, source.i64(end64 + 40))
              && agrees(begin, SATURATED, source.i64(end64 + 48));
      if (!agrees) {
        throw source.error("its two zip end records contradict each other; the file is damaged");
      }
      entriesHere = source.i64(end64 + 24);
      entries = source.i64(end64 + 32);
      size = source.i64(end64 + 40);
      begin = source.i64(end64 + 48);
      disks |= source.u32(end64 + 16) | source.u32(end64 + 20);
      end = end64;
    }
    if (disks != 0 || entriesHere != entries) {
      throw source.error("is one of several parts of a zip; join them first");
    }
    if (begin < 0 || begin > end || size != end - begin) {
      throw source.error(
          "its zip directory is said to be the "
              + Long.toUnsignedString(size)
              + " bytes from byte "
              + Long.toUnsignedString(begin)
              + " on, which do not end at byte "
              + end
              + ", where the end record begins; the file is damaged or two zips in one");
    }
    if (entries < 0 || entries > size / CENTRAL_BYTES) {
      throw source.error(
          "its zip directory of "
              + size
              + " bytes cannot hold "
              + Long.toUnsignedString(entries)
              + " members; the file is damaged");
    }
    return new Directory(begin, end, entries);
  }

  private static boolean agrees(long narrow, long saturated, long wide) {
    return narrow == saturated || narrow == wide;
  }

  private List<Entry> entries(Directory directory) throws CheckpointException {
    var entries = new ArrayList<Entry>();
    long at = directory.begin;
    for (long i = 0; i < directory.entries; i++) {
      if (at > directory.end - CENTRAL_BYTES || source.u32(at) != CENTRAL) {
        throw source.error("entry " + i + " of its zip directory is not one; the file is damaged");
      }
      int nameLength = source.u16(at + 28);
      int extraLength = source.u16(at + 30);
      long next = at + CENTRAL_BYTES + nameLength + extraLength + source.u16(at + 32);
      if (next > directory.end) {
        throw source.error(
            "entry " + i + " of its zip directory passes the end of it; the file is damaged");
      }
      source.budget().take(256);
      var name = source.utf8(at + CENTRAL_BYTES, nameLength, "a member name");
      entries.add(entry(name, at, nameLength, extraLength));
      at = next;
    }
    if (at != directory.end) {
      throw source.error(
          "its zip directory holds more than the "
              + directory.entries
              + " members that the end record counts; the file is damaged");
    }
    return entries;
  }

  private Entry entry(String name, long at, int nameLength, int extraLength)
      throws CheckpointException {
    int flags = source.u16(at + 8);
    int method = source.u16(at + 10);
    if ((flags & ENCRYPTED) != 0) {
      throw error(name, "is encrypted; decrypt the file first");
    }
    if ((flags & ~(HAS_DESCRIPTOR | UTF8 | (method == DEFLATED ? EFFORT : 0))) != 0) {
      throw error(name, "has the unknown zip flags 0x%04x".formatted(flags));
    }
    if (mayDeflate && method != STORED && method != DEFLATED) {
      throw error(
          name,
          "is compressed (method "
              + method
              + "), which cannot be read; write it with numpy.savez or numpy.savez_compressed");
    }
    if (!mayDeflate && method != STORED) {
      throw error(
          name,
          "is compressed (method "
              + method
              + "), which torch.save never does; unpack the file and pack it again with 'zip -0'");
    }
    long[] wide =
        zip64(
            name,
            at + CENTRAL_BYTES + nameLength,
            extraLength,
            source.u32(at + 24),
            source.u32(at + 20),
            source.u32(at + 42));
    if (method == STORED && wide[0] != wide[1]) {
      throw error(
          name,
          "has "
              + Long.toUnsignedString(wide[1])
              + " bytes for "
              + Long.toUnsignedString(wide[0])
              + " without being compressed; the file is damaged");
    }
    if (source.u16(at + 34) != 0) {
      throw error(name, "is in another part of a split zip; join the parts first");
    }
    return new Entry(
        name,
        at + CENTRAL_BYTES,
        nameLength,
        flags,
        method,
        source.u32(at + 16),
        wide[1],
        wide[0],
        wide[2]);
  }

  /**
   * The values of 32-bit fields, with those that are saturated replaced by their 64-bit ones from
   * the extra field.
   */
  private long[] zip64(String name, long at, int length, long... fields)
      throws CheckpointException {
    int wanted = 0;
    for (long field : fields) {
      wanted += field == SATURATED ? 8 : 0;
    }
    if (wanted == 0) {
      return fields;
    }
    long end = at + length;
    while (at <= end - 4) {
      int id = source.u16(at);
      int size = source.u16(at + 2);
      at += 4;
      if (size > end - at) {
        break;
      }
      if (id == ZIP64) {
        if (size < wanted) {
          throw error(
              name,
              "has a zip64 field of "
                  + size
                  + " bytes, expected "
                  + wanted
                  + "; the file is damaged");
        }
        for (int i = 0; i < fields.length; i++) {
          if (fields[i] == SATURATED) {
            fields[i] = source.i64(at);
            at += 8;
          }
        }
        return fields;
      }
      at += size;
    }
    throw error(name, "has no zip64 field, which its size asks for; the file is damaged");
  }

  /** Proves the local headers, and that they and their data cover the file up to the directory. */
  private void locate(List<Entry> entries, long end) throws CheckpointException {
    // Unsigned, so that an offset above 2^63 comes last instead of first.
    entries.sort((a, b) -> Long.compareUnsigned(a.local, b.local));
    long expected = 0;
    for (int i = 0; i < entries.size(); i++) {
      var entry = entries.get(i);
      if (entry.local != expected) {
        throw error(
            entry.name,
            "begins at byte "
                + Long.toUnsignedString(entry.local)
                + ", expected at byte "
                + expected
                + ", where the one before it ends; the file is damaged or two zips in one");
      }
      long next = i + 1 < entries.size() ? entries.get(i + 1).local : end;
      if (next < 0 || next > end) {
        next = end;
      }
      var member = local(entry, next);
      if (members.put(entry.name, member) != null) {
        throw error(entry.name, "occurs twice; the file is damaged or hostile");
      }
      expected = next;
    }
    if (expected != end) {
      throw source.error(
          "has " + (end - expected) + " bytes that belong to no member; the file is damaged");
    }
  }

  private Member local(Entry entry, long next) throws CheckpointException {
    long at = entry.local;
    if (at > next - LOCAL_BYTES || source.u32(at) != LOCAL) {
      throw error(entry.name, "has no local header at byte " + at + "; the file is damaged");
    }
    int nameLength = source.u16(at + 26);
    int extraLength = source.u16(at + 28);
    long data = at + LOCAL_BYTES + nameLength + extraLength;
    if (data > next || entry.packed < 0 || entry.packed > next - data) {
      throw error(
          entry.name,
          "is said to have "
              + Long.toUnsignedString(entry.packed)
              + " bytes, but only "
              + Math.max(0, next - data)
              + " are there; the file is damaged or its download was cut off");
    }
    var localName = source.bytes().asSlice(at + LOCAL_BYTES, nameLength);
    var centralName = source.bytes().asSlice(entry.nameAt, entry.nameLength);
    if (localName.mismatch(centralName) != -1) {
      throw error(
          entry.name,
          "is called "
              + CheckpointException.show(source.utf8(at + LOCAL_BYTES, nameLength, "a member name"))
              + " in its local header; the file is damaged or hostile");
    }
    long[] sizes =
        zip64(
            entry.name,
            at + LOCAL_BYTES + nameLength,
            extraLength,
            source.u32(at + 22),
            source.u32(at + 18));
    // A writer that does not know them yet leaves them 0 and appends a descriptor.
    boolean later = (entry.flags & HAS_DESCRIPTOR) != 0;
    long crc = source.u32(at + 14);
    boolean agrees =
        source.u16(at + 6) == entry.flags
            && source.u16(at + 8) == entry.method
            && (crc == entry.crc || later && crc == 0)
            && (sizes[0] == entry.size || later && sizes[0] == 0)
            && (sizes[1] == entry.packed || later && sizes[1] == 0);
    long gap = next - data - entry.packed;
    if (!agrees || !(later ? descriptor(next - gap, gap, entry) : gap == 0)) {
      throw error(
          entry.name,
          "has a local header or descriptor that contradicts the directory; the file is damaged or"
              + " hostile");
    }
    return new Member(
        entry.name, data, entry.packed, entry.size, entry.crc, entry.method == DEFLATED);
  }

  /** Whether what follows the data is its descriptor: [signature], CRC-32, two sizes. */
  private boolean descriptor(long at, long length, Entry entry) throws CheckpointException {
    boolean signed = length == 16 || length == 24;
    if (!signed && length != 12 && length != 20) {
      return false;
    }
    if (signed) {
      if (source.u32(at) != DESCRIPTOR) {
        return false;
      }
      at += 4;
    }
    boolean wide = length >= 20;
    return source.u32(at) == entry.crc
        && (wide ? source.i64(at + 4) : source.u32(at + 4)) == entry.packed
        && (wide ? source.i64(at + 12) : source.u32(at + 8)) == entry.size;
  }

  private CheckpointException error(String member, String sentence) {
    return source.error("its member " + CheckpointException.show(member) + " " + sentence);
  }
}
