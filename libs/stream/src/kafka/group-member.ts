import { StaleAssignmentError } from '../errors.ts';
import type { Committed } from '../stream.ts';
import { errorType, recover, type Broker, type Cluster } from './internals.ts';
import { AssignerProtocol } from './kafkajs.ts';

const PROTOCOL = 'roundrobin';
const SESSION_MS = 20_000;
export const REBALANCE_MS = 60_000;
const COMMIT_ATTEMPTS = 5;

/** One membership between two rebalances. Everything that is done for an assignment names the generation it was given under. */
export interface Generation {
  readonly id: number;
  readonly memberId: string;
  readonly assigned: ReadonlyArray<{ topic: string; partition: number }>;
  /** Partitions per topic that the leader dealt out; null on other members. */
  readonly dealt: ReadonlyMap<string, number> | null;
}

const STALE = new Set(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'REBALANCE_IN_PROGRESS', 'FENCED_INSTANCE_ID']);

/** The consumer group protocol for one member, with eager rebalancing. */
export class GroupMember {
  private memberId = '';
  private coordinator: Broker | null = null;

  constructor(
    private readonly cluster: Cluster,
    private readonly groupId: string,
    private readonly topics: readonly string[],
  ) {}

  /** Waits until every member of the group has come, so as long as REBALANCE_MS. */
  async join(): Promise<Generation> {
    const { groupId } = this;
    const coordinator = (this.coordinator = await this.cluster.findGroupCoordinator({ groupId }));
    try {
      const metadata = AssignerProtocol.MemberMetadata.encode({
        version: 0,
        topics: [...this.topics],
        userData: Buffer.alloc(0),
      });
      const joined = await coordinator.joinGroup({
        groupId,
        sessionTimeout: SESSION_MS,
        rebalanceTimeout: REBALANCE_MS,
        memberId: this.memberId,
        groupProtocols: [{ name: PROTOCOL, metadata }],
      });
      const { generationId, memberId } = joined;
      this.memberId = memberId;
      const dealt = joined.leaderId === memberId ? await this.deal(joined.members) : null;
      const groupAssignment = dealt?.groupAssignment ?? [];
      const { memberAssignment } = await coordinator.syncGroup({ groupId, generationId, memberId, groupAssignment });
      const assignment = AssignerProtocol.MemberAssignment.decode(memberAssignment)?.assignment ?? {};
      const assigned = Object.entries(assignment)
        .filter(([topic]) => this.topics.includes(topic))
        .flatMap(([topic, partitions]) => partitions.map((partition) => ({ topic, partition })));
      return { id: generationId, memberId, assigned, dealt: dealt?.counts ?? null };
    } catch (error) {
      if (errorType(error) === 'UNKNOWN_MEMBER_ID') this.memberId = '';
      throw error;
    }
  }

  /** @returns false when the group is being dealt out anew and this member has to join again */
  async heartbeat(generation: Generation): Promise<boolean> {
    const { groupId } = this;
    try {
      const coordinator = await this.connected();
      await coordinator.heartbeat({ groupId, groupGenerationId: generation.id, memberId: generation.memberId });
      return true;
    } catch (error) {
      const type = errorType(error);
      if (type === 'UNKNOWN_MEMBER_ID') this.memberId = '';
      if (STALE.has(type)) return false;
      this.coordinator = null;
      throw error;
    }
  }

  /**
   * Commits under the generation that the assignment was given under, so the coordinator itself refuses a late handler.
   * (`consumer.commitOffsets` of kafkajs takes the current generation, and takes the next one when it tries again.)
   * @throws StaleAssignmentError when the generation is over
   */
  async commit(
    generation: Generation,
    topic: string,
    partition: number,
    offset: bigint,
    metadata: string,
  ): Promise<void> {
    const { groupId } = this;
    for (let attempt = 1; ; attempt++) {
      try {
        const coordinator = await this.connected();
        return await coordinator.offsetCommit({
          groupId,
          groupGenerationId: generation.id,
          memberId: generation.memberId,
          topics: [{ topic, partitions: [{ partition, offset: String(offset), metadata }] }],
        });
      } catch (error) {
        if (STALE.has(errorType(error)))
          throw new StaleAssignmentError(`partition ${topic}/${partition} of ${groupId} has another owner`, {
            cause: error,
          });
        this.coordinator = null;
        if (attempt === COMMIT_ATTEMPTS) throw error;
        await recover(this.cluster, error);
      }
    }
  }

  async committed(generation: Generation): Promise<Map<string, Committed>> {
    const topics = new Map<string, Array<{ partition: number }>>();
    for (const { topic, partition } of generation.assigned) {
      const partitions = topics.get(topic) ?? [];
      partitions.push({ partition });
      topics.set(topic, partitions);
    }
    const found = new Map<string, Committed>();
    if (topics.size === 0) return found;
    const coordinator = await this.connected();
    const { responses } = await coordinator.offsetFetch({
      groupId: this.groupId,
      topics: [...topics].map(([topic, partitions]) => ({ topic, partitions })),
    });
    for (const { topic, partitions } of responses)
      for (const { partition, offset, metadata } of partitions)
        if (BigInt(offset) >= 0n)
          found.set(`${topic}/${partition}`, { offset: BigInt(offset), metadata: metadata ?? '' });
    return found;
  }

  async leave(): Promise<void> {
    if (this.memberId === '') return;
    await (await this.connected()).leaveGroup({ groupId: this.groupId, memberId: this.memberId });
    this.memberId = '';
  }

  private async connected(): Promise<Broker> {
    return (this.coordinator ??= await this.cluster.findGroupCoordinator({ groupId: this.groupId }));
  }

  /** Every topic's partitions in turn among the members that read it, beginning where the topic before ended. */
  private async deal(members: ReadonlyArray<{ memberId: string; memberMetadata: Buffer }>) {
    const readers = new Map<string, string[]>();
    for (const { memberId, memberMetadata } of [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1))) {
      for (const topic of AssignerProtocol.MemberMetadata.decode(memberMetadata)?.topics ?? []) {
        const list = readers.get(topic) ?? [];
        list.push(memberId);
        readers.set(topic, list);
      }
    }
    await this.cluster.addMultipleTargetTopics([...readers.keys()]);
    await this.cluster.refreshMetadata();
    const assignments = new Map<string, Record<string, number[]>>(members.map(({ memberId }) => [memberId, {}]));
    const counts = new Map<string, number>();
    let turn = 0;
    for (const [topic, of] of [...readers].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const partitions = this.cluster.findTopicPartitionMetadata(topic);
      counts.set(topic, partitions.length);
      for (const { partitionId } of partitions.sort((a, b) => a.partitionId - b.partitionId))
        (assignments.get(of[turn++ % of.length]!)![topic] ??= []).push(partitionId);
    }
    const groupAssignment = [...assignments].map(([memberId, assignment]) => ({
      memberId,
      memberAssignment: AssignerProtocol.MemberAssignment.encode({
        version: 0,
        assignment,
        userData: Buffer.alloc(0),
      }),
    }));
    return { groupAssignment, counts };
  }
}
