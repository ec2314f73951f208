// A program of somebody else: a record goes through a ring and a batch through a loader, to see
// that headers and library fit; and what the library throws is caught by its type.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <headrace/headrace.hpp>
#include <string>

namespace {

bool record_arrives(headrace::Ring& ring) {
    headrace::Producer producer = ring.producer();
    headrace::Consumer consumer = ring.consumer();
    const float floats[] = {1.5f, 2.5f};
    const std::int32_t ints[] = {7};
    producer.put(floats, ints);
    auto record = consumer.get();
    if (!record) return false;
    const auto values = record->field<float>(0);
    return values.size() == 2 && values[1] == 2.5f;
}

bool batch_arrives(headrace::Ring& ring) {
    headrace::Loader loader(ring, {.batch = 1});
    headrace::Producer producer = ring.producer();
    const std::int32_t ints[] = {7, 8};
    producer.put({}, ints);
    auto batch = loader.next();
    return batch && batch->total("ints") == 2 && batch->values<std::int32_t>("ints")[1] == 8;
}

bool error_is_caught() {
    try {
        headrace::parse_layout("diagonal");
    } catch (const headrace::UsageError& error) {
        return std::string(error.what()).find("diagonal") != std::string::npos;
    }
    return false;
}

bool told(const char* what, bool good) {
    std::printf("%s: %s\n", what, good ? "good" : "NOT SO");
    return good;
}

}  // namespace

int main() {
    const std::filesystem::path folder =
        std::filesystem::temp_directory_path() / ("headrace-package-" + std::to_string(getpid()));
    bool good = told("an error is caught", error_is_caught());
    {
        headrace::Ring ring = headrace::Ring::create({.name = "package",
                                                      .schema = headrace::Schema::float_int(4, 4),
                                                      .slots = 2,
                                                      .directory = folder.string(),
                                                      .producers = 2});
        good = told("a record arrives", record_arrives(ring)) && good;
        good = told("a batch arrives", batch_arrives(ring)) && good;
    }
    std::filesystem::remove_all(folder);
    return good ? 0 : 1;
}
