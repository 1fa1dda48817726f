"""C++ building blocks for generated kernels: branch-free, so that ``omp simd`` loops over them vectorise.

Each block names the blocks it needs; a kernel carries only what it uses. The polynomials are weighted least-squares
(Lawson) fits of our own. Largest errors seen against float64, in units in the last place, over a million arguments
each: log 0.8, exp 1.0, log1p 1.2, erf 1.3, tanh 1.3, expm1 1.7, sigmoid 2.2
(AMD EPYC with AVX2, g++ 12, 2026-11-22; ``tests/agent/builtin/test_cblocks.py`` allows 3, and 6 for the fast erf
and tanh).
"""

from __future__ import annotations

import re

HEADER = """\
#include <cstdint>
#include <cstring>
#include <omp.h>
"""

BLOCKS: dict[str, str] = {
    "kw_bits": """\
static inline float kw_from_bits(int32_t b) { float f; std::memcpy(&f, &b, 4); return f; }
static inline int32_t kw_bits(float f) { int32_t b; std::memcpy(&b, &f, 4); return b; }
""",
    "kw_exp": """\
static inline float kw_exp(float x) {
  float c = x > 89.0f ? 89.0f : x;
  c = c < -104.0f ? -104.0f : c;
  const float n = __builtin_rintf(c * 1.44269504f);
  float r = __builtin_fmaf(n, -0.693145752f, c);
  r = __builtin_fmaf(n, -1.42860677e-6f, r);
  float p = 1.991559738e-04f;
  p = __builtin_fmaf(p, r, 1.394614419e-03f);
  p = __builtin_fmaf(p, r, 8.333269677e-03f);
  p = __builtin_fmaf(p, r, 4.166626863e-02f);
  p = __builtin_fmaf(p, r, 1.666666684e-01f);
  p = __builtin_fmaf(p, r, 5.000000078e-01f);
  p = __builtin_fmaf(p, r * r, r) + 1.0f;
  const int32_t k = (int32_t)n, h = k >> 1;
  return p * kw_from_bits((h + 127) << 23) * kw_from_bits((k - h + 127) << 23);
}
""",
    "kw_exp_fast": """\
static inline float kw_exp_fast(float x) {  // for x <= 0: results below 2^-126 become 0
  const float c = x < -87.3f ? -87.3f : x;
  const float n = __builtin_rintf(c * 1.44269504f);
  float r = __builtin_fmaf(n, -0.693145752f, c);
  r = __builtin_fmaf(n, -1.42860677e-6f, r);
  float p = 1.395048309e-03f;
  p = __builtin_fmaf(p, r, 8.368890152e-03f);
  p = __builtin_fmaf(p, r, 4.166620591e-02f);
  p = __builtin_fmaf(p, r, 1.666651883e-01f);
  p = __builtin_fmaf(p, r, 5.000000095e-01f);
  p = __builtin_fmaf(p, r * r, r) + 1.0f;
  const float y = p * kw_from_bits(((int32_t)n + 127) << 23);
  return x < -87.3f ? 0.0f : y;
}
""",
    "kw_log": """\
static inline float kw_log(float x) {
  const float d = x < 1.17549435e-38f ? x * 8388608.0f : x;
  const float shift = x < 1.17549435e-38f ? 23.0f : 0.0f;
  const int32_t b = kw_bits(d);
  const int32_t e = (b - 0x3f3504f3) >> 23;
  const float f = kw_from_bits(b - (e << 23)) - 1.0f;
  const float n = (float)e - shift, s = f * f;
  float p = 6.915185151e-02f;
  p = __builtin_fmaf(p, f, -1.178970390e-01f);
  p = __builtin_fmaf(p, f, 1.187300313e-01f);
  p = __builtin_fmaf(p, f, -1.238436818e-01f);
  p = __builtin_fmaf(p, f, 1.421865708e-01f);
  p = __builtin_fmaf(p, f, -1.666924963e-01f);
  p = __builtin_fmaf(p, f, 2.000222662e-01f);
  p = __builtin_fmaf(p, f, -2.499998662e-01f);
  p = __builtin_fmaf(p, f, 3.333331044e-01f);
  float y = __builtin_fmaf(n, 1.42860677e-6f, p * f * s);
  y = __builtin_fmaf(-0.5f, s, y) + f;
  y = __builtin_fmaf(n, 0.693145752f, y);
  y = x == 0.0f ? -__builtin_inff() : y;
  y = x < 0.0f ? __builtin_nanf("") : y;
  return (x == __builtin_inff() || x != x) ? x : y;
}
""",
    "kw_expm1": """\
static inline float kw_expm1(float x) {
  float p = 2.497023398e-05f;
  p = __builtin_fmaf(p, x, 1.997402143e-04f);
  p = __builtin_fmaf(p, x, 1.388854353e-03f);
  p = __builtin_fmaf(p, x, 8.333140744e-03f);
  p = __builtin_fmaf(p, x, 4.166666927e-02f);
  p = __builtin_fmaf(p, x, 1.666666746e-01f);
  p = __builtin_fmaf(p, x, 5.000000000e-01f);
  const float small = __builtin_fmaf(p, x * x, x);
  const float large = kw_exp(x) - 1.0f;
  return __builtin_fabsf(x) < 0.5f ? small : large;
}
""",
    "kw_log1p": """\
static inline float kw_log1p(float x) {
  const float u = 1.0f + x;
  const float c = (x - (u - 1.0f)) / u;
  const float y = kw_log(u) + c;
  const float t = u == 1.0f ? x : y;
  return (u == __builtin_inff() || x <= -1.0f) ? kw_log(u) : t;
}
""",
    "kw_tanh": """\
static inline float kw_tanh(float x) {
  const float a = __builtin_fabsf(x), s = x * x;
  float p = 2.137153411e-03f;
  p = __builtin_fmaf(p, s, -8.171693836e-03f);
  p = __builtin_fmaf(p, s, 2.169868623e-02f);
  p = __builtin_fmaf(p, s, -5.394645487e-02f);
  p = __builtin_fmaf(p, s, 1.333320412e-01f);
  p = __builtin_fmaf(p, s, -3.333333077e-01f);
  const float small = __builtin_fmaf(p * s, x, x);
  const float big = 1.0f - 2.0f / (kw_exp(2.0f * a) + 1.0f);
  return a < 0.625f ? small : __builtin_copysignf(big, x);
}
""",
    "kw_erf": """\
static inline float kw_erf(float x) {
  const float a = __builtin_fabsf(x), s = x * x;
  float p = 8.345216230e-05f;
  p = __builtin_fmaf(p, s, -8.137435317e-04f);
  p = __builtin_fmaf(p, s, 5.200634087e-03f);
  p = __builtin_fmaf(p, s, -2.685927069e-02f);
  p = __builtin_fmaf(p, s, 1.128369394e-01f);
  p = __builtin_fmaf(p, s, -3.761263370e-01f);
  p = __builtin_fmaf(p, s, 1.283791666e-01f);
  const float small = __builtin_fmaf(p, x, x);
  const float c = a > 4.0f ? 4.0f : a;
  float q = -4.806327617e-06f;
  q = __builtin_fmaf(q, c, 4.399818252e-05f);
  q = __builtin_fmaf(q, c, 5.752198736e-05f);
  q = __builtin_fmaf(q, c, -2.951695854e-03f);
  q = __builtin_fmaf(q, c, 2.270833648e-02f);
  q = __builtin_fmaf(q, c, -1.052944800e-01f);
  q = __builtin_fmaf(q, c, -6.356092571e-01f);
  q = __builtin_fmaf(q, c, -1.128555127e+00f);
  const float big = __builtin_copysignf(1.0f - kw_exp(q * c), x);
  const float y = a < 0.92f ? small : big;
  return x != x ? x : y;
}
""",
    "kw_erf_fast": """\
static inline float kw_erf_fast(float x) {  // one rational function instead of two halves
  const float high = x > 3.92f ? 3.92f : x, c = high < -3.92f ? -3.92f : high, s = c * c;
  float p = 1.992415143e-08f;
  p = __builtin_fmaf(p, s, -1.957831254e-06f);
  p = __builtin_fmaf(p, s, 1.418506408e-04f);
  p = __builtin_fmaf(p, s, 3.701626154e-03f);
  p = __builtin_fmaf(p, s, 5.057338746e-02f);
  p = __builtin_fmaf(p, s, 1.999249778e-01f);
  p = __builtin_fmaf(p, s, 1.128379109e+00f);
  float q = 9.560423455e-04f;
  q = __builtin_fmaf(q, s, 1.435324068e-02f);
  q = __builtin_fmaf(q, s, 1.149985996e-01f);
  q = __builtin_fmaf(q, s, 5.105105535e-01f);
  q = __builtin_fmaf(q, s, 1.000000000e+00f);
  const float y = p * c / q, top = y > 1.0f ? 1.0f : y;
  return top < -1.0f ? -1.0f : top;
}
""",
    "kw_tanh_fast": """\
static inline float kw_tanh_fast(float x) {  // one rational function instead of two halves
  const float high = x > 9.02f ? 9.02f : x, c = high < -9.02f ? -9.02f : high, s = c * c;
  float p = -1.220339238e-11f;
  p = __builtin_fmaf(p, s, 3.058491956e-08f);
  p = __builtin_fmaf(p, s, 2.800741512e-05f);
  p = __builtin_fmaf(p, s, 3.868325554e-03f);
  p = __builtin_fmaf(p, s, 1.367991332e-01f);
  p = __builtin_fmaf(p, s, 9.999999987e-01f);
  float q = 1.287363571e-06f;
  q = __builtin_fmaf(q, s, 3.938627267e-04f);
  q = __builtin_fmaf(q, s, 2.724583077e-02f);
  q = __builtin_fmaf(q, s, 4.701324538e-01f);
  q = __builtin_fmaf(q, s, 1.000000000e+00f);
  const float y = p * c / q, top = y > 1.0f ? 1.0f : y;
  return top < -1.0f ? -1.0f : top;
}
""",
    "kw_tanh_softplus": """\
static inline float kw_tanh_softplus(float x) {  // tanh(log(1 + e)) = n / (n + 2) with n = e (e + 2), e = exp(x)
  const float e = kw_exp(x > 20.0f ? 20.0f : x), n = e * (e + 2.0f);
  return n / (n + 2.0f);
}
""",
    "kw_sigmoid": """\
static inline float kw_sigmoid(float x) { return 1.0f / (1.0f + kw_exp(-x)); }
""",
    "kw_bf16": """\
static inline float kw_load_bf16(uint16_t h) { return kw_from_bits((int32_t)((uint32_t)h << 16)); }
static inline uint16_t kw_store_bf16(float f) {
  const uint32_t u = (uint32_t)kw_bits(f);
  const uint32_t r = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  return (uint16_t)(f != f ? 0x7fc0u : r);
}
""",
    "kw_f16": """\
static inline float kw_load_f16(uint16_t h) {  // in integers: compilers do not vectorise conversions of _Float16
  const float wide = kw_from_bits((h & 0x7fff) << 13) * 0x1p112f;  // small ones too: they are small floats here
  const int32_t top = wide >= 65536.0f ? 0x7f800000 : 0;  // infinity and NaN
  return kw_from_bits(kw_bits(wide) | top | (int32_t)((uint32_t)(h & 0x8000) << 16));
}
static inline uint16_t kw_store_f16(float f) {
  const int32_t bits = kw_bits(f), a = bits & 0x7fffffff;
  const int32_t even = (a - 0x38000000 + 0xfff + ((a >> 13) & 1)) >> 13;  // rounded to the nearest, ties to even
  const int32_t tiny = kw_bits(kw_from_bits(a) + 0.5f) - 0x3f000000;  // below 2^-14: the addition rounds
  const int32_t special = a > 0x7f800000 ? 0x7e00 : 0x7c00;
  const int32_t usual = a < 0x38800000 ? tiny : even;
  return (uint16_t)((a >= 0x477ff000 ? special : usual) | ((bits >> 16) & 0x8000));
}
""",
    "kw_libm": """\
extern "C" {
#if !defined(__x86_64__) || !defined(__linux__)
#define simd(x) const
#endif
__attribute__((simd("notinbranch"), const)) float sinf(float) noexcept;
__attribute__((simd("notinbranch"), const)) float cosf(float) noexcept;
__attribute__((simd("notinbranch"), const)) float powf(float, float) noexcept;
}
static inline float kw_sin(float x) { return sinf(x); }
static inline float kw_cos(float x) { return cosf(x); }
static inline float kw_pow(float x, float y) { return powf(x, y); }
""",
    "kw_wrap": """\
static inline int64_t kw_wrap(int64_t i, int64_t n, int64_t *bad) {  // negative indices count from the end
  const int64_t j = i < 0 ? i + n : i;
  const bool out = (uint64_t)j >= (uint64_t)n;
  if (out) *bad = 1;
  return out ? 0 : j;
}
""",
    "kw_integer": """\
static inline int64_t kw_floor_div(int64_t a, int64_t b) {
  const int64_t q = a / b;
  return q * b != a && ((a < 0) != (b < 0)) ? q - 1 : q;
}
static inline int64_t kw_floor_mod(int64_t a, int64_t b) { return a - kw_floor_div(a, b) * b; }
static inline int64_t kw_ipow(int64_t a, int64_t n) { int64_t r = 1; for (; n > 0; --n) r *= a; return r; }
""",
    "kw_stream": """\
static inline void kw_stream(void *to, const void *from, int64_t bytes) {  // past the cache: no read for ownership
  char *d = (char *)to;
  const char *s = (const char *)from;
  int64_t head = (32 - ((uintptr_t)d & 31)) & 31;
  if (head > bytes) head = bytes;
  std::memcpy(d, s, head);
  int64_t i = head;
#if defined(__AVX__)
  typedef float wide __attribute__((vector_size(32), may_alias));
  typedef float loose __attribute__((vector_size(32), may_alias, aligned(1)));
  for (; i + 32 <= bytes; i += 32) __builtin_ia32_movntps256((float *)(d + i), (wide)*(const loose *)(s + i));
#endif
  std::memcpy(d + i, s + i, bytes - i);
}
""",
    "kw_fence": """\
static inline void kw_fence() {
#if defined(__AVX__)
  __builtin_ia32_sfence();
#endif
}
""",
    "kw_scan": """\
template <class T, class F> static inline void kw_scan_block(T *x, int64_t n, T &carry, T start, F f) {
  // Four at a time, joined in two steps; what goes on from group to group waits for one operation only.
  typedef T wide __attribute__((vector_size(32)));
  typedef int64_t pick __attribute__((vector_size(32)));
  const wide none = {start, start, start, start};
  wide before = {carry, carry, carry, carry};
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    wide v;
    std::memcpy(&v, x + i, 32);
    v = f(__builtin_shuffle(none, v, pick{0, 4, 5, 6}), v);
    v = f(__builtin_shuffle(none, v, pick{0, 1, 4, 5}), v);
    const wide y = f(before, v);
    std::memcpy(x + i, &y, 32);
    before = f(before, __builtin_shuffle(v, pick{3, 3, 3, 3}));
  }
  carry = before[0];
  for (; i < n; ++i) { carry = f(carry, x[i]); x[i] = carry; }
}
""",
}


def needed_blocks(code: str) -> str:
    """The blocks that ``code`` uses, in an order in which they compile."""
    wanted: set[str] = set()
    pending = [code]
    while pending:
        text = pending.pop()
        for name, block in BLOCKS.items():
            if name not in wanted and any(re.search(rf"\b{token}\b", text) for token in _tokens(name)):
                wanted.add(name)
                pending.append(block)
    return "".join(BLOCKS[name] for name in BLOCKS if name in wanted)


def _tokens(name: str) -> tuple[str, ...]:
    """Functions that a block defines."""
    return tuple(re.findall(r"^(?:template.*? )?static inline [\w ]+?\b(kw_\w+)\(", BLOCKS[name], re.M))
