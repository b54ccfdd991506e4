// Components that take back what they registered, and services, which are made once.
import { Component, Injectable, OnDestroy, OnInit } from "@angular/core";
import { Socket } from "ngx-socket-io";
import { io } from "socket.io-client";

@Component({ selector: "room" })
export class RoomComponent implements OnInit, OnDestroy {
  private own = io("/presence");

  constructor(private socket: Socket) {}

  ngOnInit() {
    this.socket.on("joined", this.greet);
    this.own.on("here", (who) => this.greet(who));
  }

  ngOnDestroy() {
    this.socket.off("joined", this.greet);
    this.own.disconnect();
  }
}

@Injectable({ providedIn: "root" })
export class LiveService {
  private socket = io();

  constructor() {
    this.socket.on("news", (item) => this.items.push(item));
  }
}
