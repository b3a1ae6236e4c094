/* Tests whether the device computes as docs/numerics.md says. It runs the shaders' operations on
 * operands that show a difference, and compares the results with the host's. So a driver that
 * contracts operations or rounds in another way is found before it computes any text. */
#include <string.h>

#include "hal/scalar.h"
#include "igpu/device_model.h"

enum { CASES = 64, OPERANDS = 3, RESULTS = 8, OUT_AT = 4096 };

struct rig {
    struct heap heap;
    VkDescriptorPool sets;
    VkCommandPool commands;
    VkSemaphore done;
};

/* Operand i: a pseudo-random float in [1, 16), as bits, with all bits of the mantissa in use. */
static uint32_t operand(uint32_t i) {
    uint32_t h = (i + 1) * 2654435761u;
    h ^= h >> 15, h *= 2246822519u, h ^= h >> 13;
    return ((127 + (h >> 30)) << 23) | (h & 0x7fffff);
}

static uint32_t byte_dot(uint32_t a, uint32_t b) {
    uint32_t sum = 0;
    for (uint32_t s = 0; s < 32; s += 8) sum += (uint32_t)((int8_t)(a >> s) * (int8_t)(b >> s));
    return sum;
}

static uint32_t expected(const uint32_t *in, uint32_t result) {
    float a = bits_float(in[0]), b = bits_float(in[1]), c = bits_float(in[2]), t;
    switch (result) {
    case 0:
        t = a * b;
        return float_bits(t + c);
    case 1:
        return float_bits(a - c);
    case 2:
        return float_bits(num_recip(a));
    case 3:
        return float_bits(num_rsqrt(b));
    case 4:
        return float_bits(num_exp2(-b));
    case 5:
        return float_bits(num_rint(c));
    case 6:
        return float_bits((float)(int32_t)in[0]);
    default:
        t = num_rint(a * b);
        t = t > 127.0f ? 127.0f : t;
        return byte_dot(in[0], in[1]) + (uint32_t)(int32_t)t;
    }
}

static VkResult make_set(struct igpu_model *m, struct rig *r, VkDescriptorSet *set) {
    struct vk *vk = &m->device.vk;
    VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, BIND_IN + 2 * BIND_ARRAY};
    VkDescriptorPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                       .maxSets = 1,
                                       .poolSizeCount = 1,
                                       .pPoolSizes = &size};
    VkResult result = vk->CreateDescriptorPool(m->device.handle, &pool, NULL, &r->sets);
    if (result) return result;
    VkDescriptorSetAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                        .descriptorPool = r->sets,
                                        .descriptorSetCount = 1,
                                        .pSetLayouts = &m->set_layout};
    result = vk->AllocateDescriptorSets(m->device.handle, &info, set);
    if (result) return result;
    VkDescriptorBufferInfo in = {r->heap.buffer, 0, OUT_AT}, out[BIND_ARRAY];
    for (uint32_t i = 0; i < BIND_ARRAY; i++)
        out[i] = (VkDescriptorBufferInfo){r->heap.buffer, OUT_AT, CASES * RESULTS * 4};
    VkWriteDescriptorSet writes[BIND_IN + 2];
    for (uint32_t b = 0; b < BINDINGS; b++)
        writes[b] =
            (VkWriteDescriptorSet){.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                   .dstSet = *set,
                                   .dstBinding = b,
                                   .descriptorCount = b == BIND_OUT ? BIND_ARRAY : 1,
                                   .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                   .pBufferInfo = b == BIND_OUT || b == BIND_STATUS ? out : &in};
    vk->UpdateDescriptorSets(m->device.handle, BINDINGS, writes, 0, NULL);
    return VK_SUCCESS;
}

static VkResult record(struct igpu_model *m, struct rig *r, VkDescriptorSet set,
                       VkCommandBuffer *c) {
    struct vk *vk = &m->device.vk;
    VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                    .queueFamilyIndex = m->device.facts.family};
    VkResult result = vk->CreateCommandPool(m->device.handle, &pool, NULL, &r->commands);
    if (result) return result;
    VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                        .commandPool = r->commands,
                                        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                        .commandBufferCount = 1};
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    result = vk->AllocateCommandBuffers(m->device.handle, &info, c);
    if (!result) result = vk->BeginCommandBuffer(*c, &begin);
    if (result) return result;
    VkMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                               .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
                               .dstAccessMask = VK_ACCESS_HOST_READ_BIT};
    vk->CmdBindPipeline(*c, VK_PIPELINE_BIND_POINT_COMPUTE, m->pipeline[SHADER_SELFTEST]);
    vk->CmdBindDescriptorSets(*c, VK_PIPELINE_BIND_POINT_COMPUTE, m->layout, 0, 1, &set, 0, NULL);
    vk->CmdDispatch(*c, 1, 1, 1);
    vk->CmdPipelineBarrier(*c, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0,
                           1, &barrier, 0, NULL, 0, NULL);
    return vk->EndCommandBuffer(*c);
}

static VkResult submit(struct igpu_model *m, struct rig *r, VkCommandBuffer c) {
    struct device *d = &m->device;
    uint64_t value = 1;
    VkResult result = device_timeline(d, &r->done);
    if (result) return result;
    VkSemaphoreWaitInfo wait = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                .semaphoreCount = 1,
                                .pSemaphores = &r->done,
                                .pValues = &value};
    result = device_submit(d, &c, 1, r->done, value);
    return result ? result : d->vk.WaitSemaphores(d->handle, &wait, (uint64_t)30 * 1000000000);
}

static const char *compare(const uint32_t *in, const uint32_t *out) {
    static const char *const names[RESULTS] = {
        "a product and a sum are not rounded one by one",
        "a difference is not rounded to nearest, ties to even",
        "the reciprocal has other bits",
        "the inverse square root has other bits",
        "the exponential has other bits",
        "rounding to integers by a large addend was optimised away",
        "integers are not rounded to the nearest float, ties to even",
        "sums of byte products or rounding to bytes give other integers"};
    for (uint32_t r = 0; r < RESULTS; r++)
        for (uint32_t i = 0; i < CASES; i++)
            if (out[i * RESULTS + r] != expected(in + i * OPERANDS, r)) return names[r];
    return NULL;
}

VkResult selftest_device(struct igpu_model *m, const char **wrong) {
    struct device *d = &m->device;
    struct rig r = {0};
    VkDescriptorSet set;
    VkCommandBuffer commands;
    *wrong = NULL;
    VkResult result = heap_open(&r.heap, d, HEAP_HOST, OUT_AT + CASES * RESULTS * 4);
    uint32_t *in = (uint32_t *)(void *)r.heap.map;
    for (uint32_t i = 0; !result && i < CASES * OPERANDS; i++) in[i] = operand(i);
    if (!result) result = make_set(m, &r, &set);
    if (!result) result = record(m, &r, set, &commands);
    if (!result) result = submit(m, &r, commands);
    if (!result) *wrong = compare(in, (const uint32_t *)(const void *)(r.heap.map + OUT_AT));
    if (result) d->vk.DeviceWaitIdle(d->handle); /* the device may still be at work */
    d->vk.DestroySemaphore(d->handle, r.done, NULL);
    d->vk.DestroyCommandPool(d->handle, r.commands, NULL);
    d->vk.DestroyDescriptorPool(d->handle, r.sets, NULL);
    heap_close(&r.heap, d);
    return result;
}
