#include "headrace/sampler.hpp"

#include <bit>
#include <string>

#include "headrace/error.hpp"

namespace headrace {

namespace {

// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every input bit reaches every output
// bit.
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

// Four rounds with independent round functions make a Feistel network a strong pseudo-random
// permutation (Luby and Rackoff 1988); six, because the halves of small domains are short.
constexpr int kRounds = 6;

constexpr std::uint64_t feistel(std::uint64_t value, unsigned half_bits,
                                std::uint64_t key) noexcept {
    const std::uint64_t mask = (std::uint64_t{1} << half_bits) - 1;
    std::uint64_t left = value >> half_bits;
    std::uint64_t right = value & mask;
    for (int round = 0; round < kRounds; ++round) {
        const std::uint64_t next =
            left ^ (mix(right ^ mix(key + static_cast<unsigned>(round))) & mask);
        left = right;
        right = next;
    }
    return (left << half_bits) | right;
}

// More would leave no room to compute with; it is 5,000 years at 25 million records a second.
constexpr std::uint64_t kMostRecords = std::uint64_t{1} << 62;

// What each rank has of the places that are left of an epoch.
std::uint64_t shard_of(std::uint64_t places, const SamplerOptions& options) {
    const std::uint64_t whole = places / options.world_size;
    const bool uneven = places % options.world_size != 0;
    return whole + (uneven && options.remainder == Remainder::pad ? 1 : 0);
}

std::string text(std::uint64_t number) {
    return std::to_string(number);
}

void check_origin(const SamplerOptions& options, std::uint64_t most_epochs) {
    const std::string origin = "sampler: origin_position " + text(options.origin_position) +
                               " of origin_epoch " + text(options.origin_epoch);
    if (options.origin_position > options.epoch_records) {
        throw UsageError(origin + ", wanted at most " + text(options.epoch_records) +
                         ", the records of an epoch");
    }
    const bool is_inside = options.origin_position != 0;
    if (options.origin_epoch > most_epochs || (options.origin_epoch == most_epochs && is_inside)) {
        const std::string end = options.epochs == 0
                                    ? "2^62 records in all"
                                    : text(options.epochs) + " epochs, which is all";
        throw UsageError(origin + " lies behind " + end);
    }
}

}  // namespace

std::uint64_t permute(std::uint64_t position, std::uint64_t count, std::uint64_t key) noexcept {
    // The domain is the smallest even power of two that holds [0, count): less than 4 * count.
    const unsigned bits = count <= 1 ? 0 : static_cast<unsigned>(std::bit_width(count - 1));
    const unsigned half_bits = bits == 0 ? 1 : (bits + 1) / 2;
    // Walking along the cycle that `position` lies on ends inside the range, at the latest at
    // `position` itself, and maps the range onto itself.
    do {
        position = feistel(position, half_bits, key);
    } while (position >= count);
    return position;
}

Sampler::Sampler(const SamplerOptions& options) : options_(options) {
    if (options.epoch_records == 0) {
        throw UsageError("sampler: epoch_records is 0, wanted at least 1");
    }
    if (options.world_size == 0 || options.rank >= options.world_size) {
        throw UsageError("sampler: rank " + text(options.rank) + " of world_size " +
                         text(options.world_size) + ", wanted rank < world_size");
    }
    shard_records_ = shard_of(options.epoch_records, options);
    if (shard_records_ == 0) {
        throw UsageError("sampler: " + text(options.epoch_records) + " records for world_size " +
                         text(options.world_size) +
                         " leave none for a rank; wanted at least one each, or Remainder::pad");
    }
    // The global position of the last record is shard * world_size at most: bound that.
    const std::uint64_t per_epoch_bound = kMostRecords / options.world_size;
    const std::uint64_t epochs = options.epochs == 0 ? 1 : options.epochs;
    const std::uint64_t most_epochs = kMostRecords / shard_records_;
    if (shard_records_ > per_epoch_bound || epochs > most_epochs) {
        throw UsageError("sampler: " + text(epochs) + " epochs of " + text(options.epoch_records) +
                         " records, wanted at most 2^62");
    }
    check_origin(options, options.epochs == 0 ? most_epochs : options.epochs);

    first_epoch_ = options.origin_epoch;
    first_place_ = options.origin_position;
    first_shard_ = shard_of(options.epoch_records - first_place_, options);
    if (first_shard_ == 0) {
        ++first_epoch_;
        first_place_ = 0;
        first_shard_ = shard_records_;
    }
    if (options.epochs == 0) {
        end_index_ = kEndless;
    } else if (first_epoch_ >= options.epochs) {
        end_index_ = 0;
    } else {
        end_index_ = first_shard_ + (options.epochs - first_epoch_ - 1) * shard_records_;
    }
}

std::uint64_t Sampler::item_of(std::uint64_t index) const noexcept {
    const std::uint64_t global = global_position_of(index) + options_.rank;
    const std::uint64_t place = global % options_.epoch_records;  // wraps with Remainder::pad only
    if (!options_.shuffle_seed) return place;
    const std::uint64_t key = mix(*options_.shuffle_seed) ^ mix(~epoch_of(index));
    return permute(place, options_.epoch_records, key);
}

}  // namespace headrace
