/* The model's overlay in a container of the real kind, with everything that AMD's runtime reads in
 * one: the partition with its image, the kernel's arguments, and the memories in which they lie. It
 * is as mlir-aie writes it with xclbinutil: kernel MLIR_AIE, arguments opcode, instr, ninstr, bo0
 * .. bo4. */
#include <stdio.h>
#include <string.h>

#include "npu/overlay.h"
#include "tests/npu/sim/sim_parts.h"

enum { KERNEL_ID = 0x901, BUFFERS = 5, BANK_HOST = 0, BANK_SRAM = 1, BANKS = 2 };

/* kinds of sections */
enum {
    METADATA = 2,
    TOPOLOGY = 6,
    CONNECTIVITY = 7,
    LAYOUT = 8,
    GROUP_TOPOLOGY = 26,
    GROUP_CONNECTIVITY = 27,
    PARTITION = 32,
    SECTIONS = 7
};

struct writer {
    uint8_t *out;
    uint64_t room, at; /* out NULL: only counting */
};

static void bytes(struct writer *w, const void *from, uint64_t n) {
    if (w->out && w->at + n <= w->room) memcpy(w->out + w->at, from, n);
    w->at += n;
}

static void number(struct writer *w, uint64_t n, uint32_t length) {
    uint8_t b[8];
    for (uint32_t i = 0; i < length; i++) b[i] = (uint8_t)(n >> 8 * i);
    bytes(w, b, length);
}

static void zeros(struct writer *w, uint64_t n) {
    while (n--) number(w, 0, 1);
}

static void field(struct writer *w, const char *text, uint32_t length) {
    bytes(w, text, strlen(text));
    zeros(w, length - strlen(text));
}

static void pad(struct writer *w) { zeros(w, -w->at & 7); }

static void metadata(struct writer *w) {
    char line[256];
    static const char *const first[3] = {
        "opcode\" addressQualifier=\"0\" id=\"0\" size=\"0x8\" offset=\"0x00\" hostOffset=\"0x0\" "
        "hostSize=\"0x8\" type=\"uint64_t",
        "instr\" addressQualifier=\"1\" id=\"1\" size=\"0x8\" offset=\"0x08\" hostOffset=\"0x0\" "
        "hostSize=\"0x8\" type=\"char *",
        "ninstr\" addressQualifier=\"0\" id=\"2\" size=\"0x4\" offset=\"0x10\" hostOffset=\"0x0\" "
        "hostSize=\"0x4\" type=\"uint32_t"};
    snprintf(line, sizeof line,
             "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<project><platform><device><core><kernel "
             "name=\"MLIR_AIE\" language=\"c\" "
             "type=\"dpu\">"
             "<extended-data subtype=\"1\" functional=\"0\" dpu_kernel_id=\"0x%x\"/>\n",
             KERNEL_ID);
    bytes(w, line, strlen(line));
    for (int i = 0; i < 3 + BUFFERS; i++) {
        if (i < 3)
            snprintf(line, sizeof line, "<arg name=\"%s\"/>\n", first[i]);
        else
            snprintf(line, sizeof line,
                     "<arg name=\"bo%d\" addressQualifier=\"1\" id=\"%d\" size=\"0x8\" "
                     "offset=\"0x%x\" hostOffset=\"0x0\" hostSize=\"0x8\" "
                     "type=\"void*\"/>\n",
                     i - 3, i, 0x14 + 8 * (i - 3));
        bytes(w, line, strlen(line));
    }
    snprintf(line, sizeof line,
             "<instance name=\"MLIRAIE\"/></kernel></core></device></platform></project>\n");
    bytes(w, line, strlen(line));
}

static void bank(struct writer *w, const char *name, uint64_t kilobytes) {
    number(w, 2, 1); /* DRAM */
    number(w, 1, 1); /* used */
    zeros(w, 6);
    number(w, kilobytes, 8);
    number(w, 0x4000000, 8);
    field(w, name, 16);
}

static void topology(struct writer *w) {
    number(w, BANKS, 8);
    bank(w, "HOST", 0x10000);
    bank(w, "SRAM", 0xc000);
}

static void connectivity(struct writer *w) {
    number(w, 1 + BUFFERS, 4);
    for (uint32_t i = 0; i < 1 + BUFFERS; i++) {
        number(w, i ? 2 + i : 1, 4); /* argument */
        number(w, 0, 4);             /* of the one unit */
        number(w, i ? BANK_HOST : BANK_SRAM, 4);
    }
}

static void layout(struct writer *w) {
    number(w, 1, 8);
    number(w, 7, 4); /* a unit that is no programmable logic */
    number(w, 1, 2); /* of the array, for work */
    number(w, KERNEL_ID, 2);
    number(w, UINT64_MAX, 8); /* without registers of its own */
    field(w, "MLIR_AIE:MLIRAIE", 64);
}

/* An array in the section: how many elements it has, and its offset from the start of the
 * section. */
static void array(struct writer *w, uint32_t count, uint64_t at) {
    number(w, count, 4);
    number(w, at, 4);
}

static void partition(struct writer *w, const struct sim_image *image) {
    enum {
        HEAD = 184,
        PROGRAM = HEAD,
        GROUPS = PROGRAM + 96,
        KERNELS = GROUPS + 96,
        STARTS = KERNELS + 8,
        NAME = STARTS + 8,
        IMAGE = NAME + 8
    };
    number(w, 0, 4);
    number(w, NAME, 4);
    number(w, 2048, 8); /* operations a cycle */
    zeros(w, 16);
    number(w, image->columns, 8);
    array(w, 1, STARTS);
    zeros(w, 72);
    array(w, 1, PROGRAM);
    zeros(w, 56);
    bytes(w, image->id, 16);
    array(w, sizeof *image, IMAGE);
    array(w, 1, GROUPS);
    zeros(w, 64);
    number(w, NAME, 4);
    number(w, 1, 4); /* primary */
    number(w, 1, 8);
    array(w, 1, KERNELS);
    array(w, 0, 0);
    zeros(w, 64);
    number(w, KERNEL_ID, 8);
    number(w, array_columns_all(image->generation) - image->columns,
           8); /* the first column, where Phoenix has one without a way to memory */
    field(w, "DPU", 8);
    bytes(w, image, sizeof *image);
}

static void section(struct writer *w, uint32_t kind, const struct sim_image *image) {
    switch (kind) {
    case METADATA:
        metadata(w);
        break;
    case TOPOLOGY:
    case GROUP_TOPOLOGY:
        topology(w);
        break;
    case LAYOUT:
        layout(w);
        break;
    case PARTITION:
        partition(w, image);
        break;
    default:
        connectivity(w);
    }
}

static void header(struct writer *w, const struct sim_image *image, uint64_t whole) {
    bytes(w, "xclbin2", 8);
    number(w, UINT32_MAX, 4); /* not signed */
    for (int i = 0; i < 28; i++) number(w, 0xff, 1);
    zeros(w, 256 + 8);
    number(w, whole, 8);
    zeros(w, 16 + 2);
    number(w, 2, 1); /* version */
    number(w, 1, 1);
    zeros(w, 4 + 16);
    field(w, "apus_npu_device_model", 64);
    bytes(w, image->id, 16);
    zeros(w, 16);
    number(w, SECTIONS, 8);
}

/* Writes everything twice, first only counting, because the header and the table say where
 * everything ends. */
uint64_t sim_overlay(uint32_t generation, uint8_t *out, uint64_t room) {
    static const uint32_t kinds[SECTIONS] = {
        TOPOLOGY, PARTITION, METADATA, LAYOUT, CONNECTIVITY, GROUP_CONNECTIVITY, GROUP_TOPOLOGY};
    enum { TABLE = 456, ENTRY = 40 };
    uint64_t from[SECTIONS], size[SECTIONS], whole = TABLE + SECTIONS * ENTRY;
    struct sim_image image;
    sim_image(&image, generation);
    for (int i = 0; i < SECTIONS; i++) {
        struct writer count = {NULL, 0, 0};
        section(&count, kinds[i], &image);
        from[i] = whole, size[i] = count.at;
        whole += (count.at + 7) & ~(uint64_t)7;
    }
    if (room < whole) return whole;
    struct writer w = {out, room, 0};
    header(&w, &image, whole);
    for (int i = 0; i < SECTIONS; i++) {
        number(&w, kinds[i], 4);
        zeros(&w, 16 + 4);
        number(&w, from[i], 8);
        number(&w, size[i], 8);
    }
    for (int i = 0; i < SECTIONS; i++) {
        section(&w, kinds[i], &image);
        pad(&w);
    }
    return whole;
}
