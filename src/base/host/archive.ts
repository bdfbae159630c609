/** A tar archive, as it flows by. Nothing of it is written to disk. */

export type Compression = 'zstd' | 'gzip' | 'none';

export interface Member {
  /** The name has no `./` in front, no `..`, no empty part and no slash at either end. */
  name: string;
  bytes: bigint;
  kind: 'file' | 'folder' | 'other';
  mtime: Date | undefined;
}

/** Gets all bytes of one member, and after the last ones a call of `end`. */
export interface MemberReader {
  bytes(bytes: Uint8Array): void;
  end(): void;
}

export interface ArchiveReader {
  /** Undefined where nobody wants the bytes. An error that it throws is the reason in ARCHIVE_INVALID. */
  member(member: Member): MemberReader | undefined;
  /** A sign of life: how many bytes of the file were read. */
  read(bytes: bigint): void;
}

export interface Archives {
  /**
   * Undefined where FILE is a folder, or is not there. The caller closes the descriptor.
   * @throws ARCHIVE_INVALID
   */
  open(file: string): number | undefined;
  /**
   * Reads the archive once.
   * @throws ARCHIVE_INVALID, also where it is cut short or two members have one name
   */
  read(file: string, fd: number, reader: ArchiveReader): Promise<Compression>;
  /** The crc32c of what was digested before (0 at the start) and of BYTES. */
  crc32c(before: number, bytes: Uint8Array): number;
}
