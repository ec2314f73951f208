#include "kernels/vector.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace headrace::kernels {
namespace {

// 16 bytes: first, first + 1, ...
Vector counting(int first) {
    Vector value;
    std::array<std::uint8_t, kVectorBytes> bytes;
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(first++);
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
}

std::array<std::uint8_t, kVectorBytes> bytes_of(const Vector& value) {
    std::array<std::uint8_t, kVectorBytes> bytes;
    std::memcpy(bytes.data(), &value, bytes.size());
    return bytes;
}

TEST(VectorTest, LoadsAndStores) {
    alignas(16) std::array<std::byte, 16> memory{};
    store_vector(memory.data(), counting(7));
    EXPECT_EQ(bytes_of(load_vector(memory.data())), bytes_of(counting(7)));
}

TEST(VectorTest, ShiftsByEveryNumberOfBytes) {
    for (std::uint32_t shift = 0; shift < kVectorBytes; ++shift) {
        EXPECT_EQ(bytes_of(shifted(counting(100), counting(116), shift)),
                  bytes_of(counting(100 + static_cast<int>(shift))))
            << shift;
    }
}

TEST(VectorTest, MergesEveryRange) {
    for (std::uint32_t from = 0; from <= kVectorBytes; ++from) {
        for (std::uint32_t until = from; until <= kVectorBytes; ++until) {
            const auto bytes = bytes_of(merged(counting(0), counting(100), from, until));
            for (std::uint32_t i = 0; i < kVectorBytes; ++i) {
                EXPECT_EQ(bytes[i], i < from || i >= until ? i : 100 + i) << from << ' ' << until;
            }
        }
    }
}

TEST(VectorTest, StoresEveryRangeAtEveryPlace) {
    for (std::size_t place = 0; place < kVectorBytes; ++place) {
        for (std::uint32_t from = 0; from <= kVectorBytes; ++from) {
            for (std::uint32_t until = from; until <= kVectorBytes; ++until) {
                alignas(16) std::array<std::byte, 48> memory{};
                store_part(memory.data() + 16 + place, counting(100), from, until);
                for (std::size_t i = 0; i < memory.size(); ++i) {
                    const bool inside = i >= 16 + place + from && i < 16 + place + until;
                    EXPECT_EQ(std::to_integer<std::size_t>(memory[i]),
                              inside ? 100 + i - 16 - place : 0)
                        << place << ": " << from << " until " << until;
                }
            }
        }
    }
}

TEST(VectorTest, RepeatsAnElement) {
    const auto bytes = bytes_of(repeated(0x0807060504030201));
    for (std::size_t i = 0; i < kVectorBytes; ++i) EXPECT_EQ(bytes[i], i % 8 + 1);
}

}  // namespace
}  // namespace headrace::kernels
