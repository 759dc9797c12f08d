/**
 * Server reflection, v1 and v1alpha: the server says which services it has and gives their descriptors.
 *
 * @module
 */

import { create, type DescFile, type DescService, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import {
  ErrorResponseSchema as ErrorSchema,
  FileDescriptorResponseSchema as FileSchema,
  ListServiceResponseSchema as ListSchema,
  ServerReflection,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema as RequestSchema,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema as ResponseSchema,
} from "./gen/grpc/reflection/v1/reflection_pb.ts";
import {
  ServerReflection as ServerReflectionAlpha,
  ServerReflectionRequestSchema as AlphaRequestSchema,
  ServerReflectionResponseSchema as AlphaResponseSchema,
} from "./gen/grpc/reflection/v1alpha/reflection_pb.ts";

type Answer = ServerReflectionResponse["messageResponse"];

/** Lets `router` describe services, and the reflection itself. */
export function addReflection(router: ConnectRouter, services: readonly DescService[]): void {
  const described = new Described([...services, ServerReflection, ServerReflectionAlpha]);
  router.service(ServerReflection, {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) yield described.answerTo(request);
    },
  });
  // The same messages under another name: their bytes are the same.
  router.service(ServerReflectionAlpha, {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) {
        const { host, messageRequest } = fromBinary(RequestSchema, toBinary(AlphaRequestSchema, request));
        const answer = described.answerTo({ host, messageRequest });
        yield fromBinary(AlphaResponseSchema, toBinary(ResponseSchema, answer));
      }
    },
  });
}

/** What there is to describe. */
class Described {
  readonly #services: readonly DescService[];
  readonly #files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();

  constructor(services: readonly DescService[]) {
    this.#services = services;
    for (const { file } of services) this.#add(file);
  }

  #add(file: DescFile): void {
    if (this.#files.has(file.proto.name)) return;
    this.#files.set(file.proto.name, file);
    for (const service of file.services) {
      this.#symbols.set(service.typeName, file);
      for (const method of service.methods) this.#symbols.set(`${service.typeName}.${method.name}`, file);
    }
    for (const named of [...file.messages, ...file.enums]) this.#symbols.set(named.typeName, file);
    for (const dependency of file.dependencies) this.#add(dependency);
  }

  answerTo({ host, messageRequest }: Pick<ServerReflectionRequest, "host" | "messageRequest">) {
    return create(ResponseSchema, {
      validHost: host,
      originalRequest: { host, messageRequest },
      messageResponse: this.#answer(messageRequest),
    });
  }

  #answer(request: ServerReflectionRequest["messageRequest"]): Answer {
    switch (request.case) {
      case "listServices":
        return {
          case: "listServicesResponse",
          value: create(ListSchema, { service: this.#services.map(({ typeName: name }) => ({ name })) }),
        };
      case "fileByFilename":
        return this.#file(this.#files.get(request.value), request.value);
      case "fileContainingSymbol":
        return this.#file(this.#symbols.get(request.value), request.value);
      default:
        return failure(Code.Unimplemented, "there are no extensions here");
    }
  }

  /** A file and all that it imports: a client needs them all, and asks no second time. */
  #file(file: DescFile | undefined, name: string): Answer {
    if (file === undefined) return failure(Code.NotFound, `"${name}" is not known`);
    const files = new Set<DescFile>([file]);
    for (const each of files) for (const dependency of each.dependencies) files.add(dependency);
    const fileDescriptorProto = [...files].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
    return { case: "fileDescriptorResponse", value: create(FileSchema, { fileDescriptorProto }) };
  }
}

function failure(errorCode: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: create(ErrorSchema, { errorCode, errorMessage }) };
}
