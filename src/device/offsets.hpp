// Where the records of a field lie in its packed values: numbers of 32 or, for batches of 2^31
// elements and more, 64 bits. A view; the memory is somebody else's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace headrace::device {

class Offsets {
  public:
    Offsets() = default;
    Offsets(const std::byte* data, std::size_t size, bool wide) noexcept
        : data_(data), size_(size), wide_(wide) {}

    static constexpr std::size_t bytes_of_one(bool wide) noexcept {
        return wide ? sizeof(std::int64_t) : sizeof(std::int32_t);
    }
    std::size_t size() const noexcept { return size_; }
    std::size_t size_bytes() const noexcept { return size_ * bytes_of_one(wide_); }
    bool wide() const noexcept { return wide_; }
    const std::byte* data() const noexcept { return data_; }

    std::int64_t operator[](std::size_t i) const noexcept {
        return wide_ ? load<std::int64_t>(i) : load<std::int32_t>(i);
    }
    std::int64_t back() const noexcept { return (*this)[size_ - 1]; }

  private:
    template <class T>
    T load(std::size_t i) const noexcept {
        T value;
        std::memcpy(&value, data_ + i * sizeof(T), sizeof(T));
        return value;
    }

    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    bool wide_ = false;
};

}  // namespace headrace::device
