/* Recording: first every step's descriptor set and grid, once; then the commands of all steps for
 * every bucket of columns, one command buffer for each segment. */
#include <assert.h>

#include "igpu/program.h"

static int begins_segment(const struct igpu_program *p, uint32_t op) {
    const struct hal_op *o = &p->setup.program->ops[op];
    return op > 0 && (o->layer != o[-1].layer || (o->flags & HAL_TAIL) != (o[-1].flags & HAL_TAIL));
}

/* Elements of the arrays of inputs and outputs that the step does not use are bound to the
 * arguments or the status, which are always there. */
static void write_set(const struct igpu_program *p, VkDescriptorSet set, const struct step *s) {
    VkDescriptorBufferInfo infos[BIND_IN + 2 * BIND_ARRAY];
    VkWriteDescriptorSet writes[BINDINGS];
    struct range args = program_part(p, PART_ARGS), status = program_part(p, PART_STATUS);
    struct range rows = heap_range(&p->model->rows, 0, p->model->rows.bytes);
    const struct range *from[BIND_IN + 2 * BIND_ARRAY] = {&args, &status, &rows,
                                                          s->act.buffer ? &s->act : &args};
    for (uint32_t i = 0; i < BIND_ARRAY; i++) {
        from[BIND_IN + i] = s->in[i].buffer ? &s->in[i] : &args;
        from[BIND_IN + BIND_ARRAY + i] = s->out[i].buffer ? &s->out[i] : &status;
    }
    for (uint32_t i = 0; i < BIND_IN + 2 * BIND_ARRAY; i++)
        infos[i] = (VkDescriptorBufferInfo){from[i]->buffer, from[i]->offset, from[i]->bytes};
    for (uint32_t b = 0; b < BINDINGS; b++)
        writes[b] =
            (VkWriteDescriptorSet){.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                   .dstSet = set,
                                   .dstBinding = b,
                                   .descriptorCount = b >= BIND_IN ? BIND_ARRAY : 1,
                                   .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                   .pBufferInfo = &infos[b == BIND_OUT ? BIND_IN + BIND_ARRAY : b]};
    p->model->device.vk.UpdateDescriptorSets(p->model->device.handle, BINDINGS, writes, 0, NULL);
}

static VkResult make_sets(struct igpu_program *p) {
    struct vk *vk = &p->model->device.vk;
    struct step s;
    for (uint32_t op = 0; op < p->setup.program->count; op++) {
        if (begins_segment(p, op)) p->segment_end[p->segments++] = p->steps;
        for (uint32_t part = 0; step_make(p, &p->setup.program->ops[op], TILE, part, &s);
             part++, p->steps++) {
            assert(p->steps < p->at.steps);
            VkDescriptorSetAllocateInfo info = {.sType =
                                                    VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                                .descriptorPool = p->sets_pool,
                                                .descriptorSetCount = 1,
                                                .pSetLayouts = &p->model->set_layout};
            VkResult r =
                vk->AllocateDescriptorSets(p->model->device.handle, &info, &p->sets[p->steps]);
            if (r) return r;
            write_set(p, p->sets[p->steps], &s);
            p->grids[p->steps] = (struct grid){s.rule, s.x, s.tail, s.view, s.vectors};
        }
    }
    assert(p->segments < p->at.segments);
    p->segment_end[p->segments++] = p->steps;
    return VK_SUCCESS;
}

static VkPipeline pipeline_of(const struct igpu_model *m, uint32_t bucket, const struct step *s) {
    if (s->shader == SHADER_GEMV) return m->gemv[bucket][s->types];
    if (s->shader == SHADER_GEMV_EXPERTS) return m->experts[bucket > 0][s->types];
    return m->pipeline[s->shader];
}

static void record_step(const struct igpu_program *p, VkCommandBuffer c, uint32_t index,
                        uint32_t bucket, const struct step *s) {
    const struct vk *vk = &p->model->device.vk;
    VkMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                               .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
                               .dstAccessMask =
                                   VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT};
    VkPipelineStageFlags compute = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
    struct range grids = program_part(p, PART_GRIDS);
    vk->CmdPipelineBarrier(c, compute, compute, 0, 1, &barrier, 0, NULL, 0, NULL);
    vk->CmdBindPipeline(c, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline_of(p->model, bucket, s));
    vk->CmdBindDescriptorSets(c, VK_PIPELINE_BIND_POINT_COMPUTE, p->model->layout, 0, 1,
                              &p->sets[index], 0, NULL);
    vk->CmdPushConstants(c, p->model->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, s->push_bytes,
                         s->push);
    if (s->shader == SHADER_GEMV && !s->tail && bucket != PROMPT)
        vk->CmdDispatch(c, 1, s->x, 1);
    else
        vk->CmdDispatchIndirect(c, grids.buffer,
                                grids.offset + index * sizeof(VkDispatchIndirectCommand));
}

static VkResult begin(const struct igpu_program *p, VkCommandBuffer c) {
    VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    return p->model->device.vk.BeginCommandBuffer(c, &info);
}

/* Ends the recording with a barrier that makes what the device wrote visible to the host. Waiting
 * for the semaphore alone does not do that. */
static VkResult end(const struct igpu_program *p, VkCommandBuffer c) {
    VkMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                               .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
                               .dstAccessMask = VK_ACCESS_HOST_READ_BIT};
    p->model->device.vk.CmdPipelineBarrier(c, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                                           VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, NULL, 0,
                                           NULL);
    return p->model->device.vk.EndCommandBuffer(c);
}

static VkResult record_bucket(struct igpu_program *p, uint32_t bucket) {
    VkCommandBuffer *commands = p->commands + (size_t)bucket * p->at.segments;
    uint32_t index = 0, segment = 0;
    struct step s;
    VkResult r = begin(p, commands[0]);
    for (uint32_t op = 0; !r && op < p->setup.program->count; op++) {
        if (begins_segment(p, op)) {
            r = end(p, commands[segment++]);
            if (!r) r = begin(p, commands[segment]);
            if (r) return r;
        }
        for (uint32_t part = 0;
             step_make(p, &p->setup.program->ops[op], bucket_cols(bucket), part, &s); part++)
            record_step(p, commands[segment], index++, bucket, &s);
    }
    return r ? r : end(p, commands[segment]);
}

VkResult program_record(struct igpu_program *p, const char **call) {
    struct device *d = &p->model->device;
    VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                 p->at.steps * (BIND_IN + 2 * BIND_ARRAY)};
    VkDescriptorPoolCreateInfo sets = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                       .maxSets = p->at.steps,
                                       .poolSizeCount = 1,
                                       .pPoolSizes = &size};
    *call = "vkCreateDescriptorPool";
    VkResult r = d->vk.CreateDescriptorPool(d->handle, &sets, NULL, &p->sets_pool);
    if (r) return r;
    *call = "vkAllocateDescriptorSets";
    r = make_sets(p);
    if (r) return r;
    VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                    .queueFamilyIndex = d->facts.family};
    *call = "vkCreateCommandPool";
    r = d->vk.CreateCommandPool(d->handle, &pool, NULL, &p->commands_pool);
    if (r) return r;
    VkCommandBufferAllocateInfo buffers = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                           .commandPool = p->commands_pool,
                                           .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                           .commandBufferCount = p->at.segments * BUCKETS};
    *call = "vkAllocateCommandBuffers";
    r = d->vk.AllocateCommandBuffers(d->handle, &buffers, p->commands);
    *call = "vkEndCommandBuffer";
    for (uint32_t b = 0; !r && b < BUCKETS; b++) r = record_bucket(p, b);
    return r;
}
