"""Reads and writes the pages of Ogg streams (RFC 3533)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

CAPTURE = b"OggS"
CONTINUED, BEGIN, END = 1, 2, 4
"""Flags of a page: it continues a packet; it is the first one, the last one of its stream."""
NO_PACKET_ENDS = -1
"""Position of a page on which no packet ends."""
_HEADER = struct.Struct("<4sBBqIIIB")
_CHECKSUM_AT = 22
_FULL_SEGMENT = 255
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True, slots=True)
class OggPage:
    """One page; its packets are divided into segments of at most 255 bytes."""

    flags: int
    position: int
    """Samples up to the end of the last packet that ends on the page, as the codec counts them."""
    serial: int
    lacing: bytes
    """Length of each segment."""
    body: bytes

    @property
    def ends_packet(self) -> bool:
        """Whether a packet ends on the page."""
        return any(size < _FULL_SEGMENT for size in self.lacing)

    def list_packets(self) -> list[tuple[bytes, bool, bool]]:
        """Return the parts of packets on the page: the bytes, whether the packet begins here, and whether it ends."""
        parts: list[tuple[bytes, bool, bool]] = []
        start = end = 0
        begins = not self.flags & CONTINUED
        for size in self.lacing:
            end += size
            if size < _FULL_SEGMENT:
                parts.append((self.body[start:end], begins, True))
                start, begins = end, True
        if self.lacing and self.lacing[-1] == _FULL_SEGMENT:
            parts.append((self.body[start:end], begins, False))
        return parts

    def encode(self, sequence: int) -> bytes:
        """Return the page as bytes, as number `sequence` of its stream."""
        head = _HEADER.pack(CAPTURE, 0, self.flags, self.position, self.serial, sequence, 0, len(self.lacing))
        page = head + self.lacing + self.body
        checksum = _compute_checksum(page).to_bytes(4, "little")
        return page[:_CHECKSUM_AT] + checksum + page[_CHECKSUM_AT + 4 :]


def read_page(data: bytes, position: int) -> tuple[OggPage, int] | None:
    """Return the page at `position`, where `CAPTURE` is, and its end; None if it is not complete."""
    segments_at = position + _HEADER.size
    if segments_at > len(data):
        return None
    _, _, flags, samples, serial, _, _, segments = _HEADER.unpack_from(data, position)
    body_at = segments_at + segments
    lacing = data[segments_at:body_at]
    end = body_at + sum(lacing)
    if len(lacing) < segments or end > len(data):
        return None
    return OggPage(flags, samples, serial, lacing, data[body_at:end]), end


def _compute_checksum(page: bytes) -> int:
    """Return the CRC of a page: the polynomial of zlib, with the bits of all bytes in the other order."""
    reverse = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reverse:032b}"[::-1], 2)
