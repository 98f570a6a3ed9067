// Reading of tensor rows: hand-made blocks of every type with the values they stand for,
// conversions of halves over all bit patterns, and values that are not finite.
#include "core/tensor_rows.h"

#include <cstring>
#include <fstream>
#include <limits>

#include "ops/half.h"
#include "test/check.h"

namespace fairlane::test {
namespace {

void HalfTest() {
  CHECK(HalfToFloat(0x3C00) == 1.0F && HalfToFloat(0xC000) == -2.0F &&
        HalfToFloat(0x7BFF) == 65504.0F);
  CHECK(HalfToFloat(0x0001) == 0x1.0p-24F && HalfToFloat(0x03FF) == 1023 * 0x1.0p-24F &&
        HalfToFloat(0x0400) == 0x1.0p-14F);
  CHECK(std::isinf(HalfToFloat(0x7C00)) && std::isnan(HalfToFloat(0x7C01)));
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {  // every finite half comes back from its float
    const auto half = static_cast<uint16_t>(bits);
    if ((half & 0x7C00) == 0x7C00) continue;
    CHECK_EQ(static_cast<int>(FloatToHalf(HalfToFloat(half))), static_cast<int>(half));
  }
  CHECK_EQ(static_cast<int>(FloatToHalf(1.0F + 0x1.0p-11F)), 0x3C00);      // a tie goes to even
  CHECK_EQ(static_cast<int>(FloatToHalf(1.0F + 3 * 0x1.0p-11F)), 0x3C02);  // likewise, upwards
  CHECK_EQ(static_cast<int>(FloatToHalf(1e9F)), 0x7BFF);                   // saturates
  CHECK_EQ(static_cast<int>(FloatToHalf(-std::numeric_limits<float>::infinity())), 0xFBFF);
  CHECK_EQ(static_cast<int>(FloatToHalf(0x1.0p-25F)), 0);
  CHECK_EQ(static_cast<int>(FloatToHalf(-0x1.8p-25F)), 0x8001);
  CHECK(BfloatToFloat(0x3FC0) == 1.5F);
}

std::vector<uint8_t> Block(std::initializer_list<uint16_t> halves,
                           const std::vector<uint8_t>& rest) {
  std::vector<uint8_t> bytes;
  for (const uint16_t half : halves) {
    bytes.push_back(static_cast<uint8_t>(half & 255));
    bytes.push_back(static_cast<uint8_t>(half >> 8));
  }
  bytes.insert(bytes.end(), rest.begin(), rest.end());
  return bytes;
}

// Checks single values of a 32-value block, and that the canonical form stands for the same ones.
void CheckBlock(TensorType type, const std::vector<uint8_t>& block,
                const std::vector<std::pair<int, float>>& expected) {
  CHECK_EQ(block.size(), RowBytes(type, 32));
  float values[32];
  CHECK(ReadRowAsF32(type, block.data(), 32, values));
  for (const auto& [index, value] : expected) CHECK_EQ(values[index], value);
  float scratch[32];
  union {
    Q4Group q4;
    Q8Group q8;
  } group;
  CHECK(ReadRowCanonical(type, block.data(), 32, &group, scratch));
  for (int i = 0; i < 32; ++i) {
    if (Int8FormatOf(type) == kWeightQ4) {
      const int q = i < 16 ? group.q4.q[i] & 15 : group.q4.q[i - 16] >> 4;
      CHECK_EQ(HalfToFloat(group.q4.d) * (static_cast<float>(q) + group.q4.offset / 128.0F),
               values[i]);
    } else {
      const bool is_exact = type == TensorType::kQ8_0 || type == TensorType::kQ5_0;
      const float scale = HalfToFloat(group.q8.d);
      CHECK_NEAR(static_cast<double>(scale * group.q8.q[i]), static_cast<double>(values[i]),
                 is_exact ? 0.0 : 0.51 * static_cast<double>(scale));
    }
  }
}

void BlockTest() {
  // Nibbles: byte 0 is 0xA3, so value 0 is 3 and value 16 is 10; byte 15 is 0x0F.
  std::vector<uint8_t> nibbles(16, 0x88);
  nibbles[0] = 0xA3;
  nibbles[15] = 0x0F;
  CheckBlock(TensorType::kQ4_0, Block({0x3800}, nibbles),
             {{0, -2.5F}, {1, 0.0F}, {15, 3.5F}, {16, 1.0F}, {31, -4.0F}});
  CheckBlock(TensorType::kQ4_1, Block({0x3800, 0xC000}, nibbles),
             {{0, -0.5F}, {1, 2.0F}, {15, 5.5F}, {16, 3.0F}, {31, -2.0F}});
  // Fifth bits: value 0 and value 31 have theirs set.
  std::vector<uint8_t> fives = {0x01, 0x00, 0x00, 0x80};
  fives.insert(fives.end(), nibbles.begin(), nibbles.end());
  CheckBlock(TensorType::kQ5_0, Block({0x3800}, fives),
             {{0, 1.5F}, {1, -4.0F}, {15, -0.5F}, {16, -3.0F}, {31, 0.0F}});
  CheckBlock(TensorType::kQ5_1, Block({0x3800, 0xC000}, fives),
             {{0, 7.5F}, {1, 2.0F}, {15, 5.5F}, {16, 3.0F}, {31, 6.0F}});
  std::vector<uint8_t> bytes(32, 2);
  bytes[0] = 0x80;
  bytes[31] = 127;
  CheckBlock(TensorType::kQ8_0, Block({0x3800}, bytes), {{0, -64.0F}, {1, 1.0F}, {31, 63.5F}});
  std::vector<uint8_t> halves;
  std::vector<uint8_t> bfloats;
  for (int i = 0; i < 32; ++i) {
    halves.insert(halves.end(), {0x00, static_cast<uint8_t>(i == 3 ? 0xC0 : 0x3C)});    // -2 and 1
    bfloats.insert(bfloats.end(), {0x80, static_cast<uint8_t>(i == 3 ? 0xBF : 0x3F)});  // -1 and 1
  }
  CheckBlock(TensorType::kF16, halves, {{0, 1.0F}, {3, -2.0F}});
  CheckBlock(TensorType::kBf16, bfloats, {{0, 1.0F}, {3, -1.0F}});
}

// Minima of Q4_1 are rounded to 1/128 of the scale; where that cannot say them, the scale grows.
void MinimumTest() {
  const struct {
    float d;
    float m;
    double tolerance;
  } cases[] = {
      {0.25F, -1.9F, 0.25 / 256}, {0.01F, 2.5F, 0.01 / 256}, {0.01F, -3.0F, 3.0 / 250 * 0.51},
      {0.0F, -0.7F, 0.7 / 60000}, {0.0F, 1e-5F, 1e-9},       {0.0F, 0.0F, 0.0}};
  for (const auto& c : cases) {
    std::vector<uint8_t> nibbles(16, 0xF0);
    const std::vector<uint8_t> block = Block({FloatToHalf(c.d), FloatToHalf(c.m)}, nibbles);
    float values[32];
    float scratch[32];
    Q4Group group;
    CHECK(ReadRowAsF32(TensorType::kQ4_1, block.data(), 32, values));
    CHECK(ReadRowCanonical(TensorType::kQ4_1, block.data(), 32, &group, scratch));
    const auto d = static_cast<double>(HalfToFloat(group.d));
    const double low = d * ((group.q[0] & 15) + group.offset / 128.0);
    const double high = d * ((group.q[0] >> 4) + group.offset / 128.0);
    CHECK_NEAR(low, static_cast<double>(values[0]), c.tolerance);
    CHECK_NEAR(high, static_cast<double>(values[16]), c.tolerance);
  }
}

// Blocks of k-quants with the values that another implementation gives them
// (test/fixtures/k-quants/make_k_quants.py), and the groups they are repacked into.
void KQuantTest() {
  std::ifstream file(FAIRLANE_FIXTURE_FOLDER "/k-quants/k-quants.bin", std::ios::binary);
  constexpr int64_t kValues = 512;
  for (const TensorType type : {TensorType::kQ4_K, TensorType::kQ5_K, TensorType::kQ6_K}) {
    std::vector<uint8_t> row(RowBytes(type, kValues));
    float expected[kValues];
    file.read(reinterpret_cast<char*>(row.data()), static_cast<std::streamsize>(row.size()));
    file.read(reinterpret_cast<char*>(expected), sizeof(expected));
    CHECK(file.good());
    float values[kValues];
    CHECK(ReadRowAsF32(type, row.data(), kValues, values));
    std::vector<uint8_t> canonical(CanonicalRowBytes(Int8FormatOf(type), kValues));
    float scratch[kValues];
    CHECK(ReadRowCanonical(type, row.data(), kValues, canonical.data(), scratch));
    for (size_t i = 0; i < kValues; ++i) {
      const auto value = static_cast<double>(expected[i]);
      CHECK_NEAR(static_cast<double>(values[i]), value, 1e-6 * std::fabs(value) + 1e-7);
      const size_t g = i / kGroup;
      const size_t at = i % kGroup;
      if (type == TensorType::kQ4_K) {
        const Q4Group& group = reinterpret_cast<const Q4Group*>(canonical.data())[g];
        const int q = at < 16 ? group.q[at] & 15 : group.q[at - 16] >> 4;
        const auto d = static_cast<double>(HalfToFloat(group.d));
        CHECK_NEAR(d * (q + group.offset / 128.0), value, d * (15 * 0x1.0p-11 + 1.0 / 256) + 1e-7);
      } else {
        const Q8Group& group = reinterpret_cast<const Q8Group*>(canonical.data())[g];
        const auto d = static_cast<double>(HalfToFloat(group.d));
        CHECK_NEAR(d * group.q[at], value, 0.51 * d);
      }
    }
  }
}

void NotFiniteTest() {
  float values[32] = {};
  float scratch[32];
  Q8Group group;
  const auto* bytes = reinterpret_cast<const uint8_t*>(values);
  CHECK(ReadRowCanonical(TensorType::kF32, bytes, 32, &group, scratch));
  values[7] = std::numeric_limits<float>::infinity();
  CHECK(!ReadRowCanonical(TensorType::kF32, bytes, 32, &group, scratch));
  CHECK(!ReadRowAsF32(TensorType::kF32, bytes, 32, scratch));
  Q4Group q4;
  CHECK(!ReadRowCanonical(TensorType::kQ4_1,
                          Block({0x3C00, 0x7E00}, std::vector<uint8_t>(16)).data(), 32, &q4,
                          scratch));
  CHECK(!ReadRowCanonical(TensorType::kQ4_0, Block({0x7C00}, std::vector<uint8_t>(16)).data(), 32,
                          &q4, scratch));
  CHECK(!ReadRowCanonical(TensorType::kQ8_0, Block({0x7C00}, std::vector<uint8_t>(32)).data(), 32,
                          &group, scratch));
  std::vector<uint8_t> super(144, 1);
  super[1] = 0x7C;  // the scale is infinite
  std::vector<Q4Group> groups(8);
  std::vector<float> floats(256);
  CHECK(!ReadRowCanonical(TensorType::kQ4_K, super.data(), 256, groups.data(), floats.data()));
}

}  // namespace
}  // namespace fairlane::test

int main() {
  fairlane::test::HalfTest();
  fairlane::test::BlockTest();
  fairlane::test::MinimumTest();
  fairlane::test::KQuantTest();
  fairlane::test::NotFiniteTest();
  return fairlane::test::Report("tensor_rows_test");
}
