#include "ring/identity.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

#include "ring/layout.hpp"

namespace headrace::ring {
namespace {

TEST(IdentityTest, JoinsWhatFits) {
    EXPECT_EQ(identity_at_host("voices_producer", "4f5a6b7c8d9e"), "voices_producer@4f5a6b7c8d9e");
    EXPECT_EQ(identity_at_host("a", "node.cluster.local"), "a@node.cluster.local");
    EXPECT_EQ(identity_at_host("", "alpha"), "@alpha");
    EXPECT_EQ(identity_at_host("a", ""), "a@?");
    EXPECT_EQ(identity_at_host("a", ".odd"), "a@.odd");
}

TEST(IdentityTest, CutsTheDomainThenTheIdentityThenTheHostsBeginning) {
    EXPECT_EQ(identity_at_host("voices_producer", "node-17.rack-4.hall-2.cluster.example.org"),
              "voices_producer@node-17");
    EXPECT_EQ(identity_at_host("a_producer_of_many_words", "producer-6d4cf56db6-x2x9z"),
              "a_producer_of_many_w~@producer-6d4cf56db6-x2x9z");
    EXPECT_EQ(
        identity_at_host("a_producer_of_many_words", "headrace-voices-train-producer-6d4cf56db6-1"),
        "a_producer_~@~oices-train-producer-6d4cf56db6-1");
    EXPECT_EQ(identity_at_host("short", "headrace-voices-train-producer-6d4cf56db6-x2x9z"),
              "short@~e-voices-train-producer-6d4cf56db6-x2x9z");
}

TEST(IdentityTest, NeverPassesItsPlaceAndEndsWithTheHostsEnd) {
    for (std::size_t identity = 0; identity < kIdentityBytes; ++identity) {
        for (std::size_t host = 1; host < kHostBytes; ++host) {
            const std::string name =
                identity_at_host(std::string(identity, 'i'), std::string(host - 1, 'h') + 'e');
            SCOPED_TRACE(name);
            ASSERT_LE(name.size(), kIdentityBytes - 1);
            ASSERT_TRUE(name.ends_with('e'));
            ASSERT_NE(name.find('@'), std::string::npos);
            const bool is_whole = identity + 1 + host <= kIdentityBytes - 1;
            ASSERT_EQ(name.find('~') == std::string::npos, is_whole);
            ASSERT_EQ(name.size() == identity + 1 + host, is_whole);
        }
    }
}

TEST(IdentityTest, CutsBetweenLetters) {
    std::string letters;  // of two bytes each
    for (int i = 0; i < 23; ++i) letters += "\xC3\xBC";
    for (const std::size_t host : {20u, 21u}) {
        const std::string name = identity_at_host(letters, std::string(host, 'h'));
        const std::string kept = name.substr(0, name.find('~'));
        EXPECT_FALSE(kept.empty());
        EXPECT_EQ(kept.size() % 2, 0u) << name;
    }
    for (const char* identity : {"identity-12b", "identity-12", "identity-1"}) {
        const std::string name = identity_at_host(identity, letters);
        const std::string kept = name.substr(name.find('~') + 1);
        EXPECT_FALSE(kept.empty());
        EXPECT_EQ(kept.size() % 2, 0u) << name;
    }
}

TEST(IdentityTest, IsGivenElseOfTheEnvironmentElseTheProgram) {
    ASSERT_EQ(unsetenv("HEADRACE_IDENTITY"), 0);
    EXPECT_EQ(own_identity("given"), "given");
    EXPECT_EQ(own_identity(""), "headrace_test_ring");
    ASSERT_EQ(setenv("HEADRACE_IDENTITY", "", 1), 0);
    EXPECT_EQ(own_identity(""), "headrace_test_ring");
    ASSERT_EQ(setenv("HEADRACE_IDENTITY", "of-the-environment", 1), 0);
    EXPECT_EQ(own_identity(""), "of-the-environment");
    EXPECT_EQ(own_identity("given"), "given");
    unsetenv("HEADRACE_IDENTITY");
}

TEST(IdentityTest, HasAHost) {
    EXPECT_FALSE(own_host().empty());
    EXPECT_LT(own_host().size(), kHostBytes);
}

}  // namespace
}  // namespace headrace::ring
