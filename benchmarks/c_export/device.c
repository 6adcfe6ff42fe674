/* A program for a Cortex-M0 without a library: predicts a few images and says, by
 * semihosting, the class, the scores and the time of each, and the stack that was
 * needed. For the nRF51 of the BBC micro:bit, as QEMU has it. */
#include "images.h"
#include "model.h"

/* A timer of 16 MHz. */
#define TIMER 0x40008000u
#define TIMER_REGISTER(offset) (*(volatile uint32_t *)(TIMER + (offset)))

#define UNTOUCHED 0xDEADBEEFu

extern uint32_t stack_bottom[], stack_top[], bss_start[], bss_end[];

int main(void);
void reset(void);
void fault(void);

static model_workspace workspace;

/* gcc makes calls of these; bytes are enough. */
void *memset(void *to, int value, __SIZE_TYPE__ n)
{
    volatile uint8_t *byte = to;
    while (n--) {
        *byte++ = (uint8_t)value;
    }
    return to;
}

void *memcpy(void *to, const void *from, __SIZE_TYPE__ n)
{
    volatile uint8_t *byte = to;
    const uint8_t *source = from;
    while (n--) {
        *byte++ = *source++;
    }
    return to;
}

static void semihost(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

static void print(const char *text)
{
    semihost(4, text);
}

static void print_number(uint64_t number)
{
    char text[18];
    int i;
    for (i = 15; i >= 0; i--) {
        text[i] = "0123456789abcdef"[number & 15];
        number >>= 4;
    }
    text[16] = ' ';
    text[17] = 0;
    print(text);
}

static uint32_t now(void)
{
    TIMER_REGISTER(0x40) = 1; /* capture */
    return TIMER_REGISTER(0x540);
}

int main(void)
{
    int i, k;
    uint32_t *unused;
    TIMER_REGISTER(0x508) = 3; /* 32 bits */
    TIMER_REGISTER(0x510) = 0; /* no prescaler */
    TIMER_REGISTER(0x000) = 1; /* start */
    for (i = 0; i < N_IMAGES; i++) {
        model_score scores[MODEL_N_SCORES];
        uint32_t start = now();
        int label = model_predict(images[i], &workspace);
        uint32_t ticks = now() - start;
        for (unused = stack_bottom; *unused == UNTOUCHED; unused++) {
        }
        model_scores(images[i], &workspace, scores);
        print_number((uint64_t)label);
        print_number(ticks);
        print_number((uint64_t)((uint8_t *)stack_top - (uint8_t *)unused));
        for (k = 0; k < MODEL_N_SCORES; k++) {
            print_number((uint64_t)(int64_t)scores[k]);
        }
        print("\n");
    }
    return 0;
}

void reset(void)
{
    uint32_t *word;
    volatile uint32_t *mark = stack_bottom;
    for (word = bss_start; word < bss_end; word++) {
        *word = 0;
    }
    while (mark < (volatile uint32_t *)__builtin_frame_address(0) - 16) {
        *mark++ = UNTOUCHED;
    }
    main();
    semihost(0x18, (const void *)0x20026);
    for (;;) {
    }
}

void fault(void)
{
    print("fault\n");
    semihost(0x18, (const void *)0x20023);
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    void (*handlers[3])(void);
} vectors = {stack_top, {reset, fault, fault}};
