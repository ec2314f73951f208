// Memory of the trainer's that a batch of the tests is stripped into: full of rubbish before, and
// with something behind each place that nobody may touch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "loader/loader_fixture.hpp"

namespace headrace {

// What a batch of the classic pair must be there, also when it has been given back.
struct StripContent {
    explicit StripContent(const Batch& batch) {
        for (const std::uint64_t item : batch.items()) {
            const std::vector<float> some_floats = floats_of(item);
            const std::vector<std::int32_t> some_ints = ints_of(item);
            floats.insert(floats.end(), some_floats.begin(), some_floats.end());
            ints.insert(ints.end(), some_ints.begin(), some_ints.end());
            float_offsets.push_back(static_cast<std::int32_t>(floats.size()));
            int_offsets.push_back(static_cast<std::int32_t>(ints.size()));
        }
    }
    std::vector<float> floats;
    std::vector<std::int32_t> ints, float_offsets{0}, int_offsets{0};
};

class StripMemory {
  public:
    // With places for this batch.
    explicit StripMemory(const Batch& batch) {
        const std::size_t offset = bytes_of(batch.offsets_dtype());
        for (std::size_t field = 0; field < batch.schema().size(); ++field) {
            const auto total = static_cast<std::size_t>(batch.total(field));
            places_.push_back({Block(total * bytes_of(batch.schema()[field].dtype)),
                               Block((batch.size() + 1) * offset)});
        }
    }

    std::vector<StripTarget> targets() const {
        std::vector<StripTarget> targets;
        for (const Place& place : places_) {
            targets.push_back({place.values.data(), place.offsets.data()});
        }
        return targets;
    }
    std::vector<std::byte> values(std::size_t field) const {
        return places_[field].values.as<std::byte>();
    }
    template <class Offset>
    std::vector<Offset> offsets(std::size_t field) const {
        return places_[field].offsets.as<Offset>();
    }
    bool is_untouched_behind() const {
        for (const Place& place : places_) {
            if (!place.values.is_untouched_behind()) return false;
            if (!place.offsets.is_untouched_behind()) return false;
        }
        return true;
    }

    // Of a batch of the classic pair, with int32 offsets: what is not as it must be, or "".
    std::string wrong(const StripContent& wanted, bool has_offsets = true) const {
        const auto same = [](const auto& a, const auto& b) {
            return a.size() == b.size() &&
                   std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) == 0;
        };
        if (!is_untouched_behind()) return "what is behind it";
        if (!same(places_[0].values.as<float>(), wanted.floats)) return "floats";
        if (!same(places_[1].values.as<std::int32_t>(), wanted.ints)) return "ints";
        if (!has_offsets) return "";
        if (offsets<std::int32_t>(0) != wanted.float_offsets) return "offsets of floats";
        return offsets<std::int32_t>(1) != wanted.int_offsets ? "offsets of ints" : "";
    }
    std::string wrong(const Batch& batch, bool has_offsets = true) const {
        return wrong(StripContent(batch), has_offsets);
    }

  private:
    class Block {
      public:
        explicit Block(std::size_t bytes)
            : bytes_(bytes),
              data_(static_cast<std::byte*>(::operator new(bytes + kBehind, kAlignment))) {
            std::memset(data_.get(), kRubbish, bytes + kBehind);
        }
        std::byte* data() const { return data_.get(); }
        template <class T>
        std::vector<T> as() const {
            std::vector<T> all(bytes_ / sizeof(T));
            if (!all.empty()) std::memcpy(all.data(), data_.get(), bytes_);
            return all;
        }
        bool is_untouched_behind() const {
            for (std::size_t i = 0; i < kBehind; ++i) {
                if (data_.get()[bytes_ + i] != std::byte{kRubbish}) return false;
            }
            return true;
        }

      private:
        static constexpr std::align_val_t kAlignment{256};
        static constexpr std::size_t kBehind = 64;
        static constexpr unsigned char kRubbish = 0xE9;
        struct Delete {
            void operator()(std::byte* data) const { ::operator delete(data, kAlignment); }
        };
        std::size_t bytes_;
        std::unique_ptr<std::byte, Delete> data_;
    };
    struct Place {
        Block values, offsets;
    };
    std::vector<Place> places_;
};

}  // namespace headrace
