/* Runs a model that to_c called "model": rows from standard input, results to
 * standard output, both in the machine's own binary form. The argument is the type
 * of the input: u8, f32 or f64. */
#include <stdio.h>
#include <string.h>

#include "model.h"

/* Of tables a value may become several codes. */
#ifndef MODEL_N_INPUTS
#define MODEL_N_INPUTS MODEL_N_FEATURES
#endif

static model_workspace workspace;

static int write_all(const void *data, size_t size, size_t count)
{
    return fwrite(data, size, count, stdout) == count;
}

static int run(const uint8_t *input)
{
    uint8_t codes[MODEL_N_CODES];
    memset(&workspace, 0xA5, sizeof workspace);
    model_codes(input, &workspace, codes);
    if (!write_all(codes, 1, MODEL_N_CODES)) {
        return 0;
    }
#ifdef MODEL_N_SCORES
    {
        model_score scores[MODEL_N_SCORES];
        memset(&workspace, 0xA5, sizeof workspace);
#ifdef MODEL_N_CLASSES
        int32_t label = model_predict(input, &workspace);
        if (!write_all(&label, sizeof label, 1)) {
            return 0;
        }
        model_scores(input, &workspace, scores);
#else
        model_predict(input, &workspace, scores);
#endif
        return write_all(scores, sizeof *scores, MODEL_N_SCORES);
    }
#else
    return 1;
#endif
}

int main(int argc, char **argv)
{
    uint8_t u8[MODEL_N_FEATURES], input[MODEL_N_INPUTS];
    float f32[MODEL_N_FEATURES];
    double f64[MODEL_N_FEATURES];
    int32_t n_bytes = (int32_t)sizeof workspace;

    if (argc != 2 || !write_all(&n_bytes, sizeof n_bytes, 1)) {
        return 1;
    }
    for (;;) {
        if (!strcmp(argv[1], "u8")) {
            if (!fread(u8, sizeof u8, 1, stdin)) {
                break;
            }
            model_quantize_u8(u8, input);
        } else if (!strcmp(argv[1], "f32")) {
            if (!fread(f32, sizeof f32, 1, stdin)) {
                break;
            }
            model_quantize_f32(f32, input);
        } else {
            if (!fread(f64, sizeof f64, 1, stdin)) {
                break;
            }
            model_quantize_f64(f64, input);
        }
        if (!run(input)) {
            return 1;
        }
    }
    return 0;
}
