"""A QR code as SVG: bytes mode, error correction M, versions 1 to 13 (331 bytes). Source: ISO/IEC 18004:2015.

All that an otpauth address needs, and small enough not to be a dependency; checked against another encoder's matrices.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

Matrix = list[list[int]]

# Version -> (check bytes of a block, (blocks, data bytes), (blocks, data bytes)); table 9, level M.
_BLOCKS: tuple[tuple[int, tuple[int, int], tuple[int, int]], ...] = (
    (10, (1, 16), (0, 0)),
    (16, (1, 28), (0, 0)),
    (26, (1, 44), (0, 0)),
    (18, (2, 32), (0, 0)),
    (24, (2, 43), (0, 0)),
    (16, (4, 27), (0, 0)),
    (18, (4, 31), (0, 0)),
    (22, (2, 38), (2, 39)),
    (22, (3, 36), (2, 37)),
    (26, (4, 43), (1, 44)),
    (30, (1, 50), (4, 51)),
    (22, (6, 36), (2, 37)),
    (22, (8, 37), (1, 38)),
)
# Centres of the alignment patterns, annex E.
_CENTRES: tuple[tuple[int, ...], ...] = (
    (),
    (6, 18),
    (6, 22),
    (6, 26),
    (6, 30),
    (6, 34),
    (6, 22, 38),
    (6, 24, 42),
    (6, 26, 46),
    (6, 28, 50),
    (6, 30, 54),
    (6, 32, 58),
    (6, 34, 62),
)
_MASKS = (
    lambda r, c: (r + c) % 2 == 0,
    lambda r, _c: r % 2 == 0,
    lambda _r, c: c % 3 == 0,
    lambda r, c: (r + c) % 3 == 0,
    lambda r, c: (r // 2 + c // 3) % 2 == 0,
    lambda r, c: r * c % 2 + r * c % 3 == 0,
    lambda r, c: (r * c % 2 + r * c % 3) % 2 == 0,
    lambda r, c: ((r + c) % 2 + r * c % 3) % 2 == 0,
)
_FREE = -1


def to_svg(text: str) -> str:
    """Black on white with the quiet zone, one path; scales to its place. Raises ValueError for a text too long."""
    matrix = to_matrix(text.encode())
    size = len(matrix) + 8
    path = "".join(f"M{c + 4} {r + 4}h1v1h-1z" for r, row in enumerate(matrix) for c, dark in enumerate(row) if dark)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" shape-rendering="crispEdges" role="img">'
        f'<path fill="#fff" d="M0 0h{size}v{size}H0z"/><path fill="#000" d="{path}"/></svg>'
    )


def to_matrix(data: bytes) -> Matrix:
    """Rows of 1 (dark) and 0. Raises ValueError for more than 331 bytes."""
    version = next((n for n in range(1, len(_BLOCKS) + 1) if len(data) <= _room(n)), None)
    if version is None:
        raise ValueError("too long for a QR code of this size")
    frame = _frame(version)
    bits = _bits(_codewords(data, version))
    cells = list(_zigzag(frame))
    filled = [(r, c, next(bits, 0)) for r, c in cells]
    candidates = (_masked(frame, filled, mask, version) for mask in range(len(_MASKS)))
    return min(candidates, key=_penalty)


def _room(version: int) -> int:
    _, first, second = _BLOCKS[version - 1]
    return first[0] * first[1] + second[0] * second[1] - (2 if version < 10 else 3)


# ---------------------------------------------------------------- codewords


def _codewords(data: bytes, version: int) -> bytes:
    """Data and check bytes, interleaved over the blocks."""
    check, first, second = _BLOCKS[version - 1]
    total = first[0] * first[1] + second[0] * second[1]
    count_bits = 8 if version < 10 else 16
    number = (4 << count_bits | len(data)) << 8 * len(data) | int.from_bytes(data, "big")
    width = 4 + count_bits + 8 * len(data)
    terminated = min(width + 4, total * 8)
    padded = -(-terminated // 8) * 8
    stream = (number << (padded - width)).to_bytes(padded // 8, "big")
    stream += bytes((0xEC, 0x11) * total)[: total - len(stream)]
    blocks, at = [], 0
    for blocks_of, length in (first, second):
        for _ in range(blocks_of):
            blocks.append(stream[at : at + length])
            at += length
    checks = [_check(block, check) for block in blocks]
    longest = max(map(len, blocks))
    mixed = [block[i] for i in range(longest) for block in blocks if i < len(block)]
    return bytes(mixed + [part[i] for i in range(check) for part in checks])


def _times(a: int, b: int) -> int:
    """In GF(256) modulo x^8 + x^4 + x^3 + x^2 + 1."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = a << 1 ^ (0x11D if a & 0x80 else 0)
        b >>= 1
    return product


def _check(block: bytes, count: int) -> list[int]:
    """The Reed-Solomon remainder."""
    generator, root = [1], 1
    for _ in range(count):
        generator = [a ^ _times(b, root) for a, b in zip([*generator, 0], [0, *generator], strict=True)]
        root = _times(root, 2)
    rest = [0] * count
    for byte in block:
        factor = byte ^ rest[0]
        rest = [a ^ _times(g, factor) for a, g in zip([*rest[1:], 0], generator[1:], strict=True)]
    return rest


def _bits(codewords: bytes) -> Iterator[int]:
    return (byte >> shift & 1 for byte in codewords for shift in range(7, -1, -1))


# ---------------------------------------------------------------- the picture


def _frame(version: int) -> Matrix:
    """Everything but the data; free cells are -1, those of the format 0."""
    size = 17 + 4 * version
    matrix = [[_FREE] * size for _ in range(size)]
    for i in range(size):
        matrix[6][i] = matrix[i][6] = 1 - i % 2
    for top, left in ((0, 0), (0, size - 7), (size - 7, 0)):
        _ring(matrix, top + 3, left + 3, 4)
    for row in _CENTRES[version - 1]:
        for column in _CENTRES[version - 1]:
            if (row, column) not in {(6, 6), (6, size - 7), (size - 7, 6)}:
                _ring(matrix, row, column, 2)
    for i in range(9):
        for row, column in ((8, i), (i, 8), (8, size - 1 - i), (size - 1 - i, 8)):
            if matrix[row][column] == _FREE and (i < 8 or row == column):
                matrix[row][column] = 0
    matrix[size - 8][8] = 1
    if version >= 7:
        word = version << 12 | _remainder(version, 12, 0x1F25)
        for i in range(18):
            row, column = i // 3, size - 11 + i % 3
            matrix[row][column] = matrix[column][row] = word >> i & 1
    return matrix


def _ring(matrix: Matrix, row: int, column: int, reach: int) -> None:
    """A finder (reach 4, with its white edge) or an alignment pattern (reach 2)."""
    size = len(matrix)
    for r in range(row - reach, row + reach + 1):
        for c in range(column - reach, column + reach + 1):
            if 0 <= r < size and 0 <= c < size:
                distance = max(abs(r - row), abs(c - column))
                matrix[r][c] = int(distance not in ({2, 4} if reach == 4 else {1}))


def _zigzag(frame: Matrix) -> Iterator[tuple[int, int]]:
    """Free cells in the order of the data: pairs of columns from the right, up and down, without the timing column."""
    size = len(frame)
    rights = [*range(size - 1, 6, -2), *range(5, 0, -2)]
    for n, right in enumerate(rights):
        rows = range(size) if n % 2 else range(size - 1, -1, -1)
        for row in rows:
            for column in (right, right - 1):
                if frame[row][column] == _FREE:
                    yield row, column


def _masked(frame: Matrix, filled: list[tuple[int, int, int]], mask: int, version: int) -> Matrix:
    matrix = [row[:] for row in frame]
    for row, column, bit in filled:
        matrix[row][column] = bit ^ _MASKS[mask](row, column)
    size = 17 + 4 * version
    word = (mask << 10 | _remainder(mask, 10, 0x537)) ^ 0x5412  # level M is 00
    for i in range(15):
        bit = word >> i & 1
        near = i if i < 6 else i + 1
        row, column = (near, 8) if i < 8 else (8, 7 if i == 8 else 14 - i)
        matrix[row][column] = bit
        row, column = (8, size - 1 - i) if i < 8 else (size - 15 + i, 8)
        matrix[row][column] = bit
    return matrix


def _remainder(value: int, bits: int, generator: int) -> int:
    rest = value << bits
    for shift in range(rest.bit_length() - 1, bits - 1, -1):
        if rest >> shift & 1:
            rest ^= generator << (shift - bits)
    return rest


def _penalty(matrix: Matrix) -> int:
    """How hard it is to read, by the four rules of section 7.8.3."""
    columns = [list(column) for column in zip(*matrix, strict=True)]
    lines = [*matrix, *columns]
    runs = sum(_runs(line) for line in lines)
    blocks = sum(
        3
        for upper, lower in pairwise(matrix)
        for (a, b), (c, d) in zip(pairwise(upper), pairwise(lower), strict=True)
        if a == b == c == d
    )
    finder = (1, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0)
    shapes = (finder, finder[::-1])
    likes = 40 * sum(tuple(line[i : i + 11]) in shapes for line in lines for i in range(len(line) - 10))
    dark = sum(map(sum, matrix)) * 100 / len(matrix) ** 2
    return runs + blocks + likes + 10 * int(abs(dark - 50) // 5)


def _runs(line: list[int]) -> int:
    penalty, length = 0, 1
    for before, cell in pairwise([*line, _FREE]):
        if cell == before:
            length += 1
            continue
        penalty += length - 2 if length >= 5 else 0
        length = 1
    return penalty
